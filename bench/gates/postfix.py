"""Plain Postfix, which does what it can of the same job.

It is Debian's package with its own configuration, queue and ports. It stores a mail as Varco does
(fsync before 250) and checks what it can: sender list, size, recipients, client rate, attachment
names. It needs root, because Postfix's master does.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from bench import proc
from bench.gates.base import Gate
from varco_common.testing import free_port

MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {home}/maillog
maillog_file_prefixes = /
multi_instance_name = postfix-{name}
syslog_name = {name}
myhostname = gate.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
message_size_limit = 52428800
smtpd_recipient_limit = 100
smtpd_sender_restrictions = check_sender_access regexp:{home}/conf/senders
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_message_rate_limit = 10000000
smtpd_client_event_limit_exceptions =
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
mime_header_checks = regexp:{home}/conf/attachments
relayhost = [127.0.0.1]:{sink}
transport_maps = inline:{{ archive.test=archive:[127.0.0.1]:{copies} }}
default_process_limit = 100
smtp_destination_concurrency_limit = 20
archive_destination_concurrency_limit = 20
initial_destination_concurrency = 20
in_flow_delay = {flow_delay}
{more}
"""

# The second port's mails enter by a cleanup without flow control: mails refused at the end of data
# take flow tokens and never give them back, which would hold W7 at 32 mails/s.
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{refusal_port} inet n - n - - smtpd -o cleanup_service_name=unhurried
unhurried unix n - n - 0 cleanup -o in_flow_delay=0
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
proxymap  unix - - n - - proxymap
smtp      unix - - n - 20 smtp
relay     unix - - n - 20 smtp
archive   unix - - n - 20 smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

SENDERS = "/@corp\\.test$/   OK\n/.*/   REJECT 5.7.1 sender not allowed\n"
ATTACHMENTS = (
    '/^Content-(Disposition|Type).*name\\s*=\\s*"?([^";]*\\.(exe|com|scr|pif|bat|cmd|js|jse|vbs|vbe|jar|msi|dll|hta|lnk|ps1))"?'
    "\\s*(;|$)/  REJECT 5.7.1 attachment type not allowed\n"
)


def why_not() -> str:
    """Says why Postfix can't be a peer here; empty where it can."""
    if not shutil.which("postfix"):
        return "not installed (Debian: apt-get install postfix)"
    return "" if os.geteuid() == 0 else "its master process wants root"


@contextlib.asynccontextmanager
async def postfix(home: Path, sink: int, copies: int, *, copying: bool, flow_delay: str = "1s") -> AsyncIterator[Gate]:
    """Runs Postfix below `home`.

    With `copying`, every mail also goes to the `copies` port, as a copy of archive would.
    """
    name = "postfix-copy" if copying else "postfix"
    ports = {"port": free_port(), "refusal_port": free_port()}
    more = "always_bcc = archive@archive.test" if copying else ""
    _write(home, ports, name=name, sink=sink, copies=copies, flow_delay=flow_delay, more=more)
    await asyncio.to_thread(_start, home)
    master = int((home / "queue/pid/master.pid").read_text())
    born = proc.started(master)
    try:
        yield Gate(name=name, roots=lambda: [master], copies=copying, **ports)
    finally:
        await _stop(master, born)


def _write(home: Path, ports: dict[str, int], **values: str | int) -> None:
    for folder in ("conf", "queue", "data"):
        (home / folder).mkdir(parents=True)
    for above in (home, *home.parents):  # Postfix's daemons drop root: they must get through
        if not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    shutil.chown(home / "data", "postfix")
    (home / "maillog").touch()
    daemons = next(path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).is_dir())
    (home / "conf/main.cf").write_text(MAIN.format(home=home, daemons=daemons, **values))
    (home / "conf/master.cf").write_text(MASTER.format(**ports))
    (home / "conf/senders").write_text(SENDERS)
    (home / "conf/attachments").write_text(ATTACHMENTS)


def _start(home: Path) -> None:
    done = subprocess.run(
        ["postfix", "-c", str(home / "conf"), "start"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"postfix doesn't start: {done.stderr} {(home / 'maillog').read_text()}")


async def _stop(master: int, born: str) -> None:
    """Sends SIGTERM to our master, which ends its children, and waits for its end."""
    if proc.started(master) == born:
        os.kill(master, signal.SIGTERM)
    async with asyncio.timeout(15):
        while proc.started(master) == born:  # noqa: ASYNC110 - another process tells nobody when it ends
            await asyncio.sleep(0.05)
