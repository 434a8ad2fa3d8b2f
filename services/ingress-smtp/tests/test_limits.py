"""Bounds: connections, time, the end of the process."""

import asyncio

import pytest

from varco_common.base.settings import BrokenSetting, load
from varco_common.events import ConnectionsRefused, RefusedConnections
from varco_common.testing.waiting import eventually
from varco_ingress_smtp.app import drain
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp import limits
from varco_ingress_smtp.smtp.limits import RefusalReports
from varco_ingress_smtp.smtp.line_reader import COMMAND_BYTES
from varco_ingress_smtp.smtp.session import MAX_IDLE_COMMANDS


async def test_more_connections_of_one_host_are_turned_away_and_reported_once_a_minute(start):
    world = await start(max_connections_per_host=2)
    async with world.connect() as first, world.connect() as second:
        await first.hello()
        await second.hello()
        for _ in range(3):
            async with world.connect() as third:
                assert (await third.reply()).startswith("421 4.7.0 ")
                assert await third.reply() == ""
        (event,) = await world.events(ConnectionsRefused)
        assert (event.host, event.count, event.cause) == ("127.0.0.1", 1, RefusedConnections.TOO_MANY_FROM_HOST)
        await first.say("QUIT")
        assert await first.reply() == ""
        await eventually(lambda: len(world.admission.connections) == 1)
        async with world.connect() as fourth:
            await fourth.hello()


async def test_connections_in_all_are_bounded(start):
    world = await start(max_connections=1)
    async with world.connect() as first, world.connect() as second:
        await first.hello()
        assert (await second.reply()).startswith("421 4.7.0 ")


def test_refusals_are_counted_between_reports():
    refusals = RefusalReports()
    cause = RefusedConnections.TOO_MANY
    assert [refusals.to_report("h", cause, now) for now in (0.0, 1.0, 59.0, 61.0, 62.0)] == [1, 0, 0, 3, 0]


async def test_a_silent_session_hears_421(world, monkeypatch):
    async with world.connect() as client:
        await client.hello()
        monkeypatch.setattr(limits, "COMMAND_SECONDS", 0.2)
        await client.say("NOOP")
        assert await client.reply() == "421 4.4.2 Timeout\r\n"
        assert await client.reply() == ""


async def test_a_body_that_comes_in_too_slowly_is_ended_and_others_dont_notice(world, monkeypatch):
    async with world.connect() as slow, world.connect() as other:
        await slow.hello()
        await other.hello()
        await slow.envelope()
        with monkeypatch.context() as changed:
            changed.setattr(limits, "DATA_GRACE_SECONDS", 0.2)
            changed.setattr(limits, "MIN_DATA_RATE", 1_000_000)
            await slow.say("DATA")
        slow.send(b"Subject: x\r\n")
        assert (await other.mail()).startswith("250 ")
        assert (await slow.reply()).startswith("421 4.4.2 The mail comes in too slowly")
        assert await slow.reply() == ""


async def test_a_client_that_floods_and_never_reads_holds_up_nobody(world):
    async with world.connect() as flood, world.connect() as other:
        await flood.hello()
        flood.send(b"NOOP\r\n" * 200_000)
        await other.hello()
        assert (await other.mail()).startswith("250 ")
        flood.writer.transport.abort()


async def test_the_end_is_421_for_idle_sessions_and_after_the_mail_for_others(world):
    async with world.connect() as idle, world.connect() as busy:
        await idle.hello()
        await busy.hello()
        await busy.envelope()
        ending = asyncio.create_task(drain(world.admission, 10))
        assert (await idle.reply()).startswith("421 4.3.2 ")
        assert (await busy.data()).startswith("250 ")
        assert (await busy.reply()).startswith("421 4.3.2 ")
        await ending


async def test_the_end_waits_only_so_long(world):
    async with world.connect() as busy:
        await busy.hello()
        await busy.envelope()
        await drain(world.admission, 0.1)
        assert (await busy.reply()).startswith("421 4.3.2 ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VARCO_INGRESS_VOTERS", ""),
        ("VARCO_INGRESS_VOTERS", "policy,policy"),
        ("VARCO_BALANCERS", "lb.example"),
        ("VARCO_INGRESS_MAX_RECIPIENTS", "0"),
        ("VARCO_HOSTNAME", "two words"),
        ("VARCO_SMTP_PORT", "70000"),
        ("VARCO_INGRESS_MAXSIZE", "1"),
    ],
)
def test_a_broken_setting_is_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(BrokenSetting, match=f"{variable}="):
        load(Settings)


async def test_talk_without_a_mail_comes_to_an_end(client):
    most = MAX_IDLE_COMMANDS + limits.MAX_ERRORS
    client.send(b"NOOP\r\n" * (most + 1))
    said = [await client.reply() for _ in range(most)]
    assert [line[:3] for line in said[:-1]] == ["250"] * (most - 1)
    assert said[-1].startswith("421 4.7.0 ")


async def test_each_mail_may_have_its_talk(client):
    for _ in range(3):
        for _ in range(MAX_IDLE_COMMANDS // 2):
            assert (await client.say("RSET")).startswith("250 ")
        assert (await client.mail()).startswith("250 ")


async def test_a_session_that_is_over_holds_nothing(world):
    readers = []
    async with world.connect() as client:
        await client.hello()
        (session,) = world.admission.connections
        readers.append(session.reader)
        client.send(b"HELP\r\n" * 100_000)
        await eventually(lambda: len(session.reader.buffer) > COMMAND_BYTES or not world.admission.connections)
        client.writer.transport.abort()
    await eventually(lambda: not world.admission.connections)
    assert not readers[0].buffer
