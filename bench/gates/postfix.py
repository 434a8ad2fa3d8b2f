"""Plain Postfix, which does what it can of the same job.

It is Debian's package with its own configuration, queue and ports. It stores a mail as Varco does
(fsync before 250) and checks what it can: sender list, size, recipients, client rate, attachment
names. It needs root, because Postfix's master does.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from bench import proc
from bench.gates.base import Gate
from varco_common.testing import free_port
from varco_common.testing.postfix import start, write_configuration

MAIN = """\
myhostname = gate.test
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
verify    unix - - n - 1 verify
smtp      unix - - n - 20 smtp
relay     unix - - n - 20 smtp
archive   unix - - n - 20 smtp
discard   unix - - n - - discard
"""

SENDERS = "/@corp\\.test$/   OK\n/.*/   REJECT 5.7.1 sender not allowed\n"
ATTACHMENTS = (
    '/^Content-(Disposition|Type).*name\\s*=\\s*"?([^";]*\\.(exe|com|scr|pif|bat|cmd|js|jse|vbs|vbe|jar|msi|dll|hta|lnk|ps1))"?'
    "\\s*(;|$)/  REJECT 5.7.1 attachment type not allowed\n"
)


@contextlib.asynccontextmanager
async def postfix(home: Path, sink: int, copies: int, *, copying: bool, flow_delay: str = "1s") -> AsyncIterator[Gate]:
    """Runs Postfix below `home`.

    With `copying`, every mail also goes to the `copies` port, as a copy of archive would.
    """
    name = "postfix-copy" if copying else "postfix"
    ports = {"port": free_port(), "refusal_port": free_port()}
    more = "always_bcc = archive@archive.test" if copying else ""
    main = MAIN.format(home=home, sink=sink, copies=copies, flow_delay=flow_delay, more=more)
    write_configuration(home, name, main, MASTER.format(**ports))
    (home / "conf/senders").write_text(SENDERS)
    (home / "conf/attachments").write_text(ATTACHMENTS)
    master = await asyncio.to_thread(start, home)
    born = proc.started(master)
    try:
        yield Gate(name=name, roots=lambda: [master], copies=copying, **ports)
    finally:
        await _stop(master, born)


async def _stop(master: int, born: str) -> None:
    """Sends SIGTERM to our master, which ends its children, and waits for its end."""
    if proc.started(master) == born:
        os.kill(master, signal.SIGTERM)
    async with asyncio.timeout(15):
        while proc.started(master) == born:  # noqa: ASYNC110 - another process tells nobody when it ends
            await asyncio.sleep(0.05)
