"""A program for test_firewall: a bus and two listeners; it appends the events that it reads."""

import asyncio
import sys

from varco_common.bus import Bus
from varco_common.events import decode_event
from varco_common.testing import nats_server


def answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main() -> None:
    for port in sys.argv[1:]:
        for host in ("0.0.0.0", "::"):
            await asyncio.start_server(lambda _, writer: writer.close(), host, int(port))
    async with nats_server() as nats, Bus.connect(nats.settings(), "test") as bus:
        answer(nats.url)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await bus.events.append(decode_event(line.encode()))
            answer("appended")


asyncio.run(main())
