"""Measures the memory of a mail with a 100 MB attachment, and of eight: `bench.links_memory`.

The whole gate runs. Each client sends from a generator. The table shows how far the resident memory
of each process rose above idle.
"""

import asyncio
import base64
import smtplib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from bench.external import LINKS
from bench.gates.varco import Stack, apply, running
from bench.measure import Sink

PROCESSES = ("ingress-smtp", "filelink", "nats", "relay", "archive")
LARGE = {"VARCO_INGRESS_MAX_SIZE": "200MB"}  # encoded, 100 MB are more than what may come by default
MIB = 1024 * 1024
_BLOCK = Random(100).randbytes(57 * 16_384)  # whole base64 lines
_LINES = base64.encodebytes(_BLOCK).replace(b"\n", b"\r\n")
_SECONDS = 600.0


def main(
    size: Annotated[int, typer.Option(help="of each attachment, in MB, before encoding")] = 100,
    at_once: Annotated[int, typer.Option(help="mails at the same time")] = 8,
) -> None:
    """Prints the peaks in MiB above idle."""
    for name, rises in asyncio.run(_bench(size * 1_000_000, at_once)).items():
        print(f"{name}: " + ", ".join(f"{process} {rise / MIB:.0f}" for process, rise in rises.items()) + " MiB")


async def _bench(size: int, at_once: int) -> dict[str, dict[str, int]]:
    sink = await Sink.start()
    try:
        with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
            async with running(Path(home) / "varco", sink.ports.mails, processes="each", more=LARGE) as stack:
                await apply(stack, LINKS)
                await _sent(stack, 12_000_000, 1)  # what is loaded once
                one = await _rise(stack, size, 1)
                return {f"one of {size / 1e6:.0f} MB": one, f"{at_once} at once": await _rise(stack, size, at_once)}
    finally:
        await sink.stop()


async def _rise(stack: Stack, size: int, count: int) -> dict[str, int]:
    pids = {name: pid for name, pid in stack.processes().items() if name in PROCESSES}
    idle = {name: _begun(pid) for name, pid in pids.items()}
    await _sent(stack, size, count)
    return {name: _peak(pid) - idle[name] for name, pid in pids.items()}


async def _sent(stack: Stack, size: int, count: int) -> None:
    """Waits until as many mails are converted as were sent."""
    before = _converted(stack)
    await asyncio.gather(*(asyncio.to_thread(_send, stack.smtp_port, size) for _ in range(count)))
    async with asyncio.timeout(_SECONDS):
        while _converted(stack) < before + count:  # noqa: ASYNC110 - another process's log
            await asyncio.sleep(0.1)


def _send(port: int, size: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=_SECONDS) as client:
        for command in ("EHLO bench", "MAIL FROM:<user1@corp.test>", "RCPT TO:<rcpt1@dest.test>", "DATA"):
            if client.docmd(command)[0] >= 400:
                raise SystemExit(f"{command} was refused")
        for piece in _pieces(size):
            client.send(piece)
        code, text = client.getreply()
        if code != 250:
            raise SystemExit(f"{code} {text!r}")


def _pieces(size: int) -> Iterator[bytes]:
    yield (
        b'From: user1@corp.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="e"\r\n\r\n'
        b"--e\r\nContent-Type: text/plain\r\n\r\nhello\r\n--e\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\n'
    )
    yield base64.encodebytes(b"%PDF-1.7\n" + bytes(48)).replace(b"\n", b"\r\n")
    for _ in range(size // len(_BLOCK) + 1):
        yield _LINES
    yield b"--e--\r\n.\r\n"


def _converted(stack: Stack) -> int:
    """Counts converted mails in the log, which names each as it leaves."""
    return sum(log.read_bytes().count(b'"event":"converted"') for log in (stack.home / "logs").glob("filelink*.log*"))


def _begun(pid: int) -> int:
    """Resets the peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _peak(pid)


def _peak(pid: int) -> int:
    """Returns VmHWM in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    typer.run(main)
