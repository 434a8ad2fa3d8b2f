"""What a copy costs: CPU of bus and archive for 1,000 mails without and with copies, the index's lag, and POP3's speed.

`python -m bench.archive_copies` prints a table. Mails are appended to the bus as ingress does it, by this process.
"""

import argparse
import asyncio
import contextlib
import os
import poplib
import ssl
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import uvloop

from varco_common.bus import Bus
from varco_common.envelope import Envelope
from varco_common.ids import new_id
from varco_common.manifest import Manifest
from varco_common.record import Body, MailAccepted
from varco_common.testing import NatsServer, free_port, nats_server
from varco_common.testing.certificates import self_signed
from varco_common.tokens import Keyring

KEY = "k" * 64
BODY = b"Subject: bench\r\n\r\n" + (b"x" * 76 + b"\r\n") * 128  # 10 KB
LOGIN, PASSWORD = "archive@acme.example", "another-secret"
IN_FLIGHT = 20


class Cost(NamedTuple):
    """Seconds of CPU for all mails, and how long after the last one all were indexed."""

    bus: float
    archive: float
    lag: float
    seconds: float


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Archive:
    """archive in a process of its own, with account acme."""

    def __init__(self, home: Path, nats: NatsServer) -> None:
        self.home, self.pop3s, self.port = home, free_port(), free_port()
        (home / "tls").mkdir()
        (home / "token.key").write_text(KEY)
        self.certificate = self_signed(home / "tls", "localhost").certificate
        environment = {
            "VARCO_HOME": str(home),
            "VARCO_NATS_URL": nats.url,
            "VARCO_API_PORT": str(self.port),
            "VARCO_POP3_PORT": "0",
            "VARCO_POP3S_PORT": str(self.pop3s),
            "VARCO_TOKEN_KEY_FILE": str(home / "token.key"),
            "VARCO_LOG_LEVEL": "warning",
        }
        command = [str(Path(sysconfig.get_path("scripts")) / "varco-archive")]
        self.process = subprocess.Popen(command, env=os.environ | environment)
        headers = {"Authorization": f"Bearer {Keyring(KEY.encode()).mint_admin()[1]}"}
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, home: Path, nats: NatsServer) -> AsyncIterator["Archive"]:
        self = cls(home, nats)
        try:
            async with asyncio.timeout(30):
                while not await self._ready():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            yield self
        finally:
            await self.http.aclose()
            self.process.terminate()
            await asyncio.to_thread(self.process.wait)

    async def _ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await self.http.get("/readyz")).status_code == 200
        return False

    async def switch_on(self) -> None:
        section = {"pop3": {"login": LOGIN, "password": PASSWORD}, "senders_told": "bench"}
        (await self.http.put("/accounts/acme/archive", json=section)).raise_for_status()

    async def count(self) -> int:
        return int((await self.http.get("/accounts/acme/archive/status")).json()["copies"])


async def append(bus: Bus, mails: int) -> None:
    """Appends so many mails, some at once."""
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with turns:
            envelope = Envelope(
                id=new_id(),
                account="acme",
                sender="alice@acme.example",
                recipients=("bob@elsewhere.example",),
                host="192.0.2.7",
                received_at=datetime.now(UTC),
            )
            record = MailAccepted(envelope=envelope, manifest=Manifest(), votes=(), body=Body(size=len(BODY)))
            await bus.append_mail("accepted", record, BODY)

    await asyncio.gather(*(one() for _ in range(mails)))


async def measured(nats: NatsServer, bus: Bus, archive: Archive | None, mails: int, *, copies: bool) -> Cost:
    """One run. Without copies there is nothing to wait for but the end."""
    bus_before, own_before = cpu(nats.pid), cpu(archive.process.pid) if archive else 0.0
    before = await archive.count() if archive and copies else 0
    began = time.perf_counter()
    await append(bus, mails)
    ended = time.perf_counter()
    if archive and copies:
        while await archive.count() < before + mails:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    lag = time.perf_counter() - ended
    await asyncio.sleep(1.0)  # what is acknowledged later still costs
    own = cpu(archive.process.pid) - own_before if archive else 0.0
    return Cost(cpu(nats.pid) - bus_before, own, lag, ended - began)


def fetch(archive: Archive, most: int) -> tuple[float, float]:
    """Megabytes and seconds of fetching so many mails, one after the other, inside TLS."""
    trusting = ssl.create_default_context(cafile=str(archive.certificate))
    box = poplib.POP3_SSL("localhost", archive.pop3s, timeout=60, context=trusting)
    box.user(LOGIN)
    box.pass_(PASSWORD)
    began, octets = time.perf_counter(), 0
    for number in range(1, most + 1):
        octets += box.retr(number)[2]
    seconds = time.perf_counter() - began
    box.quit()
    return octets / 1e6, seconds


async def run(mails: int) -> None:
    with tempfile.TemporaryDirectory(prefix="varco-bench-") as folder:
        async with nats_server(max_file_store="8GB") as nats, Bus.connect(nats.settings(), "bench") as bus:
            rows = [("no archive", await measured(nats, bus, None, mails, copies=False))]
            async with Archive.running(Path(folder), nats) as archive:
                rows.append(("copies off", await measured(nats, bus, archive, mails, copies=False)))
                await archive.switch_on()
                rows.append(("copies on", await measured(nats, bus, archive, mails, copies=True)))
                megabytes, seconds = await asyncio.to_thread(fetch, archive, min(mails, 2_000))
                pop3 = cpu(archive.process.pid)
    print(f"| {mails} mails of 10 KB | appended/s | bus CPU s/1,000 | archive CPU s/1,000 | index lag at the end, s |")
    print("|---|---|---|---|---|")
    for name, cost in rows:
        per = 1_000 / mails
        figures = f"{mails / cost.seconds:.0f} | {cost.bus * per:.2f} | {cost.archive * per:.2f} | {cost.lag:.2f}"
        print(f"| {name} | {figures} |")
    print(f"\nPOP3 inside TLS: {megabytes / seconds:.1f} MB/s, {pop3:.1f} s of CPU in all for archive")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    uvloop.run(run(parser.parse_args().mails))
