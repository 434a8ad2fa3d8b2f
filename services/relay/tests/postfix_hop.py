"""Postfix as a next hop."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from varco_common.testing import free_port, postfix
from varco_common.testing.certificates import Certificate
from varco_common.testing.processes import alive
from varco_common.testing.waiting import eventually

WHY_NOT = postfix.why_not()

_MAIN = """\
myhostname = mx.a.example
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
smtp      unix - - n - - smtp
"""


@asynccontextmanager
async def postfix_hop(home: Path, sink: int, certificate: Certificate) -> AsyncIterator[int]:
    """Gives its port. What it takes goes on to the port `sink`."""
    port = free_port()
    main = _MAIN.format(sink=sink, key=certificate.key, certificate=certificate.certificate)
    postfix.write_configuration(home, "hop", main, _MASTER.format(port=port))
    master = await asyncio.to_thread(postfix.start, home)
    try:
        yield port
    finally:
        os.kill(master, signal.SIGTERM)
        await eventually(lambda: not alive(master))
