"""Room in the streams, and who is behind on them: what /readyz and /metrics say of the bus."""

from contextlib import aclosing

import pytest
from prometheus_client import REGISTRY

from varco_common.base.errors import StoreFull
from varco_common.bus import Bus
from varco_common.testing import nats_server
from varco_common.testing.samples import record


def behind(stream: str, follower: str, figure: str = "records") -> float | None:
    labels = {"service": "test", "stream": stream, "follower": follower}
    return REGISTRY.get_sample_value(f"varco_bus_lag_{figure}", labels)


async def test_a_stream_without_room_for_a_small_mail_is_full():
    async with (
        nats_server(mail_max_bytes=300_000) as server,
        Bus.connect(server.settings(), "test") as bus,
    ):
        await bus.admin.check_room()
        for _ in range(5):
            await bus.mail.append("accepted", record(), bytes(50_000))
        await bus.mail.append("accepted", record(), bytes(300_000 - (await bus.admin.usage())[0].held - 10_000))
        with pytest.raises(StoreFull, match="stream MAIL is full"):
            await bus.admin.check_room()


async def test_a_refused_append_is_remembered_until_the_next_one_is_stored():
    async with (
        nats_server(mail_max_bytes=300_000) as server,
        Bus.connect(server.settings(), "test") as bus,
    ):
        with pytest.raises(StoreFull):
            await bus.mail.append("accepted", record(), bytes(400_000))
        with pytest.raises(StoreFull, match="refused to store"):
            await bus.admin.check_room()
        await bus.mail.append("accepted", record(), b"small")
        await bus.admin.check_room()


async def test_a_follower_is_behind_by_what_it_has_not_dealt_with(bus: Bus):
    for _ in range(3):
        await bus.mail.append("accepted", record(), b"x")
    async with aclosing(bus.mail.follow("mail.accepted.*", name="reader")) as records:
        for left in (3, 2, 1):
            await anext(records)
            assert behind("MAIL", "reader") == left
        assert (behind("MAIL", "reader", "seconds") or 0) > 0
        last = await bus.mail.append("accepted", record(), b"x")
        assert (await anext(records)).sequence == last
        assert behind("MAIL", "reader") == 1
    assert behind("MAIL", "reader") is None


async def test_a_consumer_is_behind_by_what_it_has_not_acknowledged(bus: Bus):
    for _ in range(5):
        await bus.mail.append("accepted", record(), b"x")
    async with bus.mail.consume("worker", "mail.accepted.*", in_flight=2, max_bytes=1 << 20) as consumer:
        first = await anext(consumer)
        second = await anext(consumer)
        assert behind("MAIL", "worker") == 5
        await first.ack()
        await second.ack()
        await anext(consumer)
        assert behind("MAIL", "worker") in (2, 3)  # the next pull may have brought one or two
