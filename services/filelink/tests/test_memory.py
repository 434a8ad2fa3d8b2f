"""Mails of 100 MB go through a filelink that stays small."""

import asyncio
import base64
import hashlib
import random
import signal
from pathlib import Path

import httpx
from msgspec.structs import replace

from varco_common.base.ids import new_id
from varco_common.events import AttachmentLinked
from varco_common.testing import running
from varco_common.testing.waiting import eventually

from . import layouts

SIZE = 100_000_000
MOST = 64 * 1024 * 1024


def peak(pid: int) -> int:
    """The most resident memory so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def heavy(size: int) -> tuple[bytes, str]:
    """A mail with so many bytes attached, and their SHA-256."""
    block = random.Random(1).randbytes(57 * 1024)  # whole base64 lines
    count = size // len(block) + 1
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(block)
    empty = layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf(content=b"")))
    head, tail = empty.rsplit(b"\r\n--m--", 1)
    return head + base64.encodebytes(block).replace(b"\n", b"\r\n") * count + b"\r\n--m--" + tail, digest.hexdigest()


async def test_a_mail_of_100_mb_costs_less_than_64_mib_and_eight_at_once_stay_bounded(gate):
    await gate.account()
    body, digest = heavy(SIZE)
    process = gate.process("link_sweeper.EXPIRE_SECONDS = 3600.0")
    try:
        async with gate.client() as client:
            await running.ready(client)
            await gate.set_links(client)
            await gate.converted_body(await gate.accept(layouts.GMAIL))
            idle = peak(process.pid)
            mail = await gate.accept(body, stored=True)
            await gate.converted_body(mail)
            assert peak(process.pid) - idle < MOST
            [link] = [event for event in await gate.events(AttachmentLinked) if event.size > 1_000_000]
            assert link.sha256 == digest
            assert await downloaded(gate.url(link)) == digest
            assert peak(process.pid) - idle < MOST
            mail = await gate.accept(heavy(SIZE // 8)[0], stored=True)
            await gate.converted_body(mail)
            again = [await resent(gate, mail) for _ in range(8)]
            for mail in again:
                await eventually(lambda mail=mail: gate.converted(mail))
            assert peak(process.pid) - idle < MOST
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)


async def downloaded(url: str) -> str:
    """The SHA-256 of what comes."""
    seen = hashlib.sha256()
    async with httpx.AsyncClient(timeout=60) as web, web.stream("GET", url) as answer:
        async for piece in answer.aiter_bytes(1 << 20):
            seen.update(piece)
    return seen.hexdigest()


async def resent(gate, mail: str) -> str:
    """The same body once more, as a mail of its own."""
    [stored] = await gate.converted(mail)
    original = (await gate.bus.mail.get(stored.record.original)).record
    again = replace(original, envelope=replace(original.envelope, id=new_id()))
    await gate.bus.mail.append("convert", again, b"")
    return again.envelope.id
