"""What following several filters of EVENTS costs: `python -m bench.followers`.

A service may read only its filters, so it has one consumer for each and merges them
(`bus/merged_consumer.py`). A service that may read everything has one consumer. Both follow what
banguard follows of hosts, while events of one of the filters are appended.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Annotated, get_args

import msgspec
import typer

from bench import proc
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import HostEvent, HostFound, Strike, StrikeCause, encode_event
from varco_common.events.banguard import AnyBanguardEvent
from varco_common.testing import NatsServer, nats_server

FILTERS = tuple(kind.subject_filter() for kind in get_args(AnyBanguardEvent) if issubclass(kind, HostEvent))
BATCH = 1_000  # events in one atomic append


class Cost(msgspec.Struct, frozen=True):
    """Of one event: CPU milliseconds of both sides, and how late it is handed out."""

    bus: float
    service: float
    late_p50: float
    late_p99: float


def main(
    events: Annotated[int, typer.Option(help="appended while they are followed")] = 3_000,
    stored: Annotated[str, typer.Option(help="comma list: events of as many hosts that are stored before")] = "0",
    writers: Annotated[int, typer.Option(help="that append at once")] = 20,
    rounds: Annotated[int, typer.Option(help="of each; medians are shown")] = 3,
) -> None:
    """Prints a Markdown table."""
    print("| stored | follower | bus, CPU ms an event | service, CPU ms an event | late, p50 ms | p99 ms |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for count in map(int, stored.split(",")):
        for name, costs in asyncio.run(_measured(count, events, writers, rounds)).items():
            columns = zip(*(msgspec.structs.astuple(cost) for cost in costs), strict=True)
            bus, service, p50, p99 = (sorted(column)[rounds // 2] for column in columns)
            print(f"| {count:,} | {name} | {bus:.3f} | {service:.3f} | {p50:.1f} | {p99:.1f} |", flush=True)


async def _measured(stored: int, events: int, writers: int, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {"none": [], "a consumer for each filter": [], "one consumer": []}
    async with nats_server(max_file_store="8GB") as nats, Bus.connect(nats.settings(), "bench") as bus:
        await _store(bus, stored)
        for _ in range(rounds):
            for name, measured in costs.items():
                measured.append(await _round(nats, bus, name, events, writers))
    return costs


async def _store(bus: Bus, count: int) -> None:
    last = 0
    for first in range(0, count, BATCH):
        batch = [_event(number) for number in range(first, min(first + BATCH, count))]
        encoded = [(event.subject, encode_event(event)) for event in batch]
        last = await bus.events.append_encoded(encoded, expect=last, expect_subject="events.>")


async def _round(nats: NatsServer, bus: Bus, name: str, events: int, writers: int) -> Cost:
    bus.events.whole = name == "one consumer"
    followed: dict[int, float] = {}
    done = asyncio.Event()
    async with _following(bus, followed, done, events) if name != "none" else nullcontext():
        pid = nats.pid
        server, own = proc.cpu([pid]), time.process_time()
        appended = await _append(bus, events, writers)
        if name != "none":
            await done.wait()
        server, own = proc.cpu([pid]) - server, time.process_time() - own
    late = sorted((followed[sequence] - at) * 1000 for sequence, at in appended.items() if followed) or [0.0]
    return Cost(
        server * 1000 / events,
        own * 1000 / events,
        late[len(late) // 2],
        late[min(len(late) - 1, len(late) * 99 // 100)],
    )


@asynccontextmanager
async def _following(bus: Bus, followed: dict[int, float], done: asyncio.Event, events: int) -> AsyncIterator[None]:
    """Notes when each event is handed out, inside the block; `done` is set after so many."""
    after = await bus.events.last_sequence("events.>")

    async def follow() -> None:
        async with aclosing(bus.events.follow(*FILTERS, after=after)) as following:
            async for stored in following:
                followed[stored.sequence] = time.perf_counter()
                if len(followed) == events:
                    done.set()

    async with run_in_background(follow()):
        await asyncio.sleep(0.5)  # until its consumers are there
        yield


async def _append(bus: Bus, events: int, writers: int) -> dict[int, float]:
    """Returns when each was acknowledged, by sequence."""
    appended: dict[int, float] = {}

    async def write(numbers: Sequence[int]) -> None:
        for number in numbers:
            appended[await bus.events.append(_event(number))] = time.perf_counter()

    await asyncio.gather(*(write(range(first, events, writers)) for first in range(writers)))
    return appended


def _event(number: int) -> HostFound:
    host, at = str(IPv4Address((10 << 24) + number)), datetime.now(UTC)
    strike = Strike(
        sequence=number + 1, at=at, cause=StrikeCause.SENDER_NOT_AUTHORISED, host=host, sender="x@y.example"
    )
    return HostFound(at=at, network=host, strike=strike)


if __name__ == "__main__":
    typer.run(main)
