"""Every process that enforces bans follows them, and says how far it is."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from varco_common.base.errors import TransientError
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import HostBanned, NetworkIgnored
from varco_common.events.ban_table import ENFORCER_STATUS, BanTable, EnforcerStatus
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.testing.waiting import eventually

HOST = "192.0.2.7"


def banned() -> HostBanned:
    now = datetime.now(UTC)
    return HostBanned(at=now, network=HOST, until=now + timedelta(hours=1))


@asynccontextmanager
async def enforcing(nats, service: str):
    async with Bus.connect(nats.settings(), service) as bus:
        heard = []
        one = BanEnforcement(bus, BanTable(), service, "closes at accept", on_event=heard.append)
        async with run_in_background(one.run()):
            yield one, heard


async def test_who_starts_late_has_caught_up_before_it_says_so(bus, nats):
    await bus.events.append(banned())
    async with enforcing(nats, "ingress-smtp") as (one, heard):
        await asyncio.wait_for(one.caught_up.wait(), 60)
        assert one.table.banned(HOST, datetime.now(UTC))
        assert len(heard) == 1


async def test_nothing_was_said_yet_is_caught_up_too(nats):
    async with enforcing(nats, "ingress-smtp") as (one, _):
        await asyncio.wait_for(one.caught_up.wait(), 60)


async def test_every_process_answers_the_roll_call_with_its_sequence(bus, nats):
    assert await bus.requests.ask_everyone(ENFORCER_STATUS, HOST.encode()) == []
    async with enforcing(nats, "ingress-smtp") as (one, _), enforcing(nats, "firewall") as (other, _):
        sequence = await bus.events.append(banned())
        await eventually(lambda: one.table.sequence == other.table.sequence == sequence)

        async def answers() -> list[EnforcerStatus]:
            return [
                msgspec.json.decode(a, type=EnforcerStatus)
                for a in await bus.requests.ask_everyone(ENFORCER_STATUS, HOST.encode())
            ]

        found = sorted(await answers(), key=lambda answer: answer.service)
        assert [(a.service, a.enforces, a.sequence) for a in found] == [
            ("firewall", True, sequence),
            ("ingress-smtp", True, sequence),
        ]
        ignored = await bus.events.append(NetworkIgnored(at=datetime.now(UTC), network="192.0.2.0/24"))
        await eventually(lambda: one.table.sequence == other.table.sequence == ignored)
        assert {(a.enforces, a.why_not) for a in await answers()} == {(False, "never banned: 192.0.2.0/24")}


async def test_a_bus_that_is_away_is_no_empty_roll(bus, nats):
    await nats.kill()
    await eventually(lambda: not _up(bus))
    with pytest.raises(TransientError):
        await bus.requests.ask_everyone(ENFORCER_STATUS, b"")


def _up(bus: Bus) -> bool:
    try:
        bus.check()
    except TransientError:
        return False
    return True
