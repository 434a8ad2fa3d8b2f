"""The bus dies and comes back: what was acknowledged is there, nothing is missed, nothing hangs."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from varco_common.base.errors import TransientError
from varco_common.bus import Bus, BusSettings
from varco_common.mail.ballot import accept
from varco_common.testing import NatsServer, nats_server
from varco_common.testing.samples import ballot, failed, record
from varco_common.testing.waiting import eventually

from .test_mail import take


async def test_every_acknowledged_append_outlives_a_killed_server_and_a_follower_misses_none(
    bus: Bus, nats: NatsServer
):
    """Appends from 8 tasks, three kills in between; the follower runs all the while."""
    acknowledged: dict[int, str] = {}
    followed: list[tuple[int, str]] = []
    over = False

    async def append(worker: int) -> None:
        number = 0
        while not over:
            number += 1
            try:
                event = failed(worker * 1_000_000 + number)
                acknowledged[await bus.events.append(event)] = event.login
            except TransientError:
                await asyncio.sleep(0.01)

    async def follow() -> None:
        async for stored in bus.events.follow("events.>"):
            followed.append((stored.sequence, stored.event.login))  # noqa: PERF401 - it never ends

    follower = asyncio.create_task(follow())
    workers = [asyncio.create_task(append(n)) for n in range(8)]
    for round_ in range(1, 4):
        await eventually(lambda wanted=round_ * 300: len(acknowledged) > wanted)
        await nats.restart()
    await eventually(lambda: len(acknowledged) > 1_200)
    over = True
    await asyncio.gather(*workers)
    last = await bus.events.last_sequence("events.>")
    await eventually(lambda: bool(followed) and followed[-1][0] == last)
    follower.cancel()
    assert [sequence for sequence, _ in followed] == list(range(1, last + 1))
    assert acknowledged.items() <= dict(followed).items()


async def test_pulled_mail_is_all_delivered_over_killed_servers(nats: NatsServer):
    """One appends, one pulls and acknowledges, through connections of their own; what was not
    answered is tried again.
    """
    async with Bus.connect(nats.settings(), "ingress-smtp") as sender, Bus.connect(nats.settings(), "relay") as relay:
        sent: set[str] = set()
        seen: Counter[str] = Counter()

        async def send() -> None:
            while len(sent) < 600:
                mail = record(b"x" * 2_000)
                await eventually(lambda mail=mail: sender.mail.append("accepted", mail, b"x" * 2_000))
                sent.add(mail.envelope.id)

        async def pull() -> None:
            async with relay.mail.consume(
                "relay-acme", "mail.accepted.acme", in_flight=20, max_bytes=100_000, ack_wait=2
            ) as mails:
                async for mail in mails:
                    seen[mail.record.envelope.id] += 1
                    await mail.ack()

        senders = [asyncio.create_task(send()) for _ in range(4)]
        consumer = asyncio.create_task(pull())
        for wanted in (150, 300):
            await eventually(lambda wanted=wanted: len(seen) > wanted)
            await nats.restart()
        await asyncio.gather(*senders)
        await eventually(lambda: seen.keys() >= sent)
        consumer.cancel()
        assert sent <= seen.keys()


async def test_while_the_bus_is_away_nothing_hangs_and_nothing_is_a_yes():
    async with nats_server() as server, Bus.connect(server.settings(append_timeout_seconds=0.5), "test") as bus:
        back: list[bool] = []
        bus.on_reconnect(lambda: back.append(True))
        await bus.voting.serve("policy", lambda _: pytest.fail("nobody can ask"))
        bus.check()
        await server.kill()
        began = time.monotonic()
        assert await bus.voting.collect(ballot(), ["policy"], 10) == []
        for attempt in (
            bus.events.append(failed(1)),
            bus.mail.append("accepted", record(), b"x"),
            bus.requests.ask("ask.policy.login", b"", timeout=0.5),
        ):
            with pytest.raises(TransientError):
                await attempt
        assert time.monotonic() - began < 5
        with pytest.raises(TransientError):
            bus.check()
        assert not back
        await server.start()
        await eventually(lambda: bool(back))
        bus.check()
        assert await bus.events.append(failed(2)) == 1


async def test_an_append_waits_for_a_bus_that_is_back_in_time(bus: Bus, nats: NatsServer):
    await nats.kill()
    attempt = asyncio.create_task(bus.events.append(failed(1)))
    await nats.start()
    assert await attempt == 1


async def test_voters_and_answers_are_there_again_after_a_restart(bus: Bus, nats: NatsServer):
    async def echo(question: bytes) -> bytes:
        return question

    await bus.voting.serve("policy", lambda _: accept("policy"))
    await bus.requests.answer("ask.policy.login", "policy", echo)
    await nats.restart()
    await eventually(lambda: bus.voting.collect(ballot(), ["policy"], 1))
    assert await bus.requests.ask("ask.policy.login", b"?") == b"?"


async def test_a_frozen_server_makes_a_transient_error_and_a_second_try_stores_once(nats: NatsServer):
    async with Bus.connect(nats.settings(append_timeout_seconds=0.3), "test") as bus:
        mail = record()
        os.kill(nats.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: frozen(nats.pid))
            with pytest.raises(TransientError):
                await bus.mail.append("accepted", mail, b"x")
        finally:
            os.kill(nats.pid, signal.SIGCONT)
        assert await bus.mail.append("accepted", mail, b"x") == 1


def frozen(pid: int) -> bool:
    """Whether every thread has stopped: until then one of them may still answer."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


async def test_a_mail_acknowledged_while_the_bus_is_away_comes_again(nats: NatsServer):
    async with Bus.connect(nats.settings(), "relay") as bus:
        await bus.mail.append("accepted", record(), b"x")
        async with bus.mail.consume("d", "mail.>", in_flight=2, max_bytes=1 << 20, ack_wait=1) as consumer:
            (one,) = await take(consumer, 1)
            await nats.kill()
            await one.ack()
            await nats.start()
            assert [again.sequence for again in await take(consumer, 1)] == [one.sequence]


async def test_a_bus_that_starts_later_is_waited_for(nats: NatsServer):
    await nats.kill()

    async def connect() -> int:
        async with Bus.connect(nats.settings(), "test") as bus:
            return await bus.events.append(failed(1))

    attempt = asyncio.create_task(connect())
    await nats.start()
    async with asyncio.timeout(60):
        assert await attempt == 1


async def test_a_password_that_is_written_later_is_taken_up(nats: NatsServer):
    settings = nats.settings("someone", "x")
    assert settings.password_file is not None
    settings.password_file.unlink()

    async def connect() -> int:
        async with Bus.connect(settings, "test") as bus:
            return await bus.events.append(failed(1))

    attempt = asyncio.create_task(connect())
    await asyncio.sleep(0)
    settings.password_file.write_text("x")
    async with asyncio.timeout(60):
        assert await attempt == 1


async def test_a_broken_address_ends_the_start(nats: NatsServer):
    with pytest.raises(ValueError, match="nats://host:port"):
        async with Bus.connect(BusSettings(url="nowhere"), "test"):
            pass
