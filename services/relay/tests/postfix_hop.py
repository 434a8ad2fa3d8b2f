"""Postfix as a next hop: Debian's package, with a queue and a port of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from varco_common.testing import free_port
from varco_common.testing.certificates import Certificate
from varco_common.testing.processes import alive
from varco_common.testing.waiting import eventually

WHY_NOT = (
    "Postfix isn't installed (Debian: postfix)"
    if not shutil.which("postfix")
    else "Postfix's master process wants root"
    if os.geteuid()
    else ""
)

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {home}/maillog
maillog_file_prefixes = /
multi_instance_name = postfix-hop
syslog_name = hop
myhostname = mx.a.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{grey@a.example = 450 4.2.0 greylisted}} {{gone@a.example = 550 5.1.1 gone}} }},
    permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {certificate}
relayhost = [127.0.0.1]:{sink}
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@asynccontextmanager
async def postfix_hop(home: Path, sink: int, certificate: Certificate) -> AsyncIterator[int]:
    """Gives its port. What it takes goes on to the port `sink`."""
    port = free_port()
    _write(home, port, sink, certificate)
    await asyncio.to_thread(_start, home)
    master = int((home / "queue/pid/master.pid").read_text())
    try:
        yield port
    finally:
        os.kill(master, signal.SIGTERM)
        await eventually(lambda: not alive(master))


def _write(home: Path, port: int, sink: int, certificate: Certificate) -> None:
    for folder in ("conf", "queue", "data"):
        (home / folder).mkdir(parents=True)
    for above in (home, *home.parents):  # Postfix's daemons drop root: they must get through
        if not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    shutil.chown(home / "data", "postfix")
    (home / "maillog").touch()
    daemons = next(path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).is_dir())
    main = _MAIN.format(home=home, daemons=daemons, sink=sink, key=certificate.key, certificate=certificate.certificate)
    (home / "conf/main.cf").write_text(main)
    (home / "conf/master.cf").write_text(_MASTER.format(port=port))


def _start(home: Path) -> None:
    command = ["postfix", "-c", str(home / "conf"), "start"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{done.stderr} {(home / 'maillog').read_text()}"
