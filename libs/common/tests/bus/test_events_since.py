"""Reading back a short stretch of EVENTS by time."""

from datetime import UTC, datetime, timedelta

from varco_common.bus import Bus
from varco_common.events import RouteRecovered, encode_event
from varco_common.testing import NatsServer
from varco_common.testing.diversion import divert

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def recovered(host: str, account: str = "acme") -> RouteRecovered:
    return RouteRecovered(at=AT, account=account, host=host)


async def hosts(bus: Bus, since: datetime) -> list[str]:
    return [stored.event.host async for stored in bus.events.since("events.relay.*.acme", since)]


async def test_only_events_that_match_and_are_not_older_are_read(bus: Bus):
    began = datetime.now(UTC) - timedelta(seconds=1)
    first = await bus.events.append(recovered("a"))
    await bus.events.append(recovered("x", account="other"))
    between = datetime.now(UTC)
    await bus.events.append(recovered("b"))
    assert await hosts(bus, began) == ["a", "b"]
    assert await hosts(bus, between) == ["b"]
    assert await hosts(bus, datetime.now(UTC) + timedelta(seconds=1)) == []
    assert [stored.sequence async for stored in bus.events.since("events.relay.*.acme", between)] == [first + 2]


async def test_a_diverted_answer_is_left_out(bus: Bus, nats: NatsServer):
    """relay reads the outcomes of a mail this way: a forged one would lose it."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    await divert(nats, recovered("forged").subject, encode_event(recovered("forged")), bait="events.relay.bait.x")
    await bus.events.append(recovered("true"))
    assert await hosts(bus, began) == ["true"]


async def test_an_empty_stream_has_nothing_since(bus: Bus):
    assert await hosts(bus, AT) == []
