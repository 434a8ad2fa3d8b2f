"""Followers that tell when they know everything from before their start."""

import asyncio

from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.runtime.event_follower import follow_events
from varco_common.testing import NatsServer
from varco_common.testing.diversion import divert
from varco_common.testing.samples import failed

ALL = "events.ingress-smtp.>"


async def test_a_diverted_answer_as_the_last_message_is_passed(bus: Bus, nats: NatsServer):
    await bus.events.append(failed(1))
    await divert(nats, failed(1).subject, b"x")
    applied, caught_up = [], asyncio.Event()
    async with (
        asyncio.timeout(60),
        run_in_background(
            follow_events(bus, ALL, apply=lambda stored: applied.append(stored.event), caught_up=caught_up)
        ),
    ):
        await caught_up.wait()
    assert applied == [failed(1)]


async def test_an_event_that_cannot_be_applied_is_parked_and_the_next_one_is_applied(bus: Bus):
    applied, caught_up = [], asyncio.Event()

    def apply(stored):
        if stored.event == failed(1):
            raise ValueError("no")
        applied.append(stored.event)

    for number in (1, 2):
        await bus.events.append(failed(number))
    async with (
        asyncio.timeout(60),
        run_in_background(follow_events(bus, ALL, apply=apply, caught_up=caught_up, name="test")),
    ):
        await caught_up.wait()
    assert applied == [failed(2)]
    assert await bus.events.last_sequence("events.parked.record-parked.*") == 3
