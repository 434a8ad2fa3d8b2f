"""Banned hosts at the door, and logins that many hosts guess at."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from varco_common.events import (
    ConnectionsRefused,
    GatewayDetected,
    HostBanned,
    Language,
    LoginGuarded,
    LoginResumed,
    LoginStopped,
    MailRefused,
    RefusedConnections,
    SharedBecause,
    Strike,
    StrikeCause,
    UnbanCause,
)
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.testing.waiting import eventually
from varco_ingress_smtp.gateways import state_gateways
from varco_ingress_smtp.smtp import admission
from varco_ingress_smtp.smtp.banned_hosts import HIDDEN_CLIENTS_SAMPLE, HiddenClientsWarning

from .conftest import ALICE

HOST = "127.0.0.7"
HOUR = timedelta(hours=1)


def banned(host: str = HOST) -> HostBanned:
    return HostBanned(at=datetime.now(UTC), network=host, until=datetime.now(UTC) + HOUR)


def ban(world, fact: HostBanned) -> None:
    """As it arrives over the bus."""
    world.admission.bans.table.apply(1, fact)
    world.admission.bans.on_event(fact)


async def connect(port: int, source: str = HOST) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def first_words(port: int, source: str = HOST, said: bytes = b"") -> bytes:
    reader, writer = await connect(port, source)
    try:
        writer.write(said)
        return await reader.read(200)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_banned_host_is_closed_before_any_banner_and_reported_once_a_minute(world):
    ban(world, banned())
    for name in ("smtp", "submission", "smtps", "smtp"):
        assert await first_words(world.ports[name]) == b""
    assert (await first_words(world.ports["smtp"], "127.0.0.8")).startswith(b"220 ")
    (event,) = await world.events(ConnectionsRefused)
    assert (event.host, event.count, event.cause) == (HOST, 1, RefusedConnections.BANNED)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ({}, "by an administrator"),
        ({"cause": "wrong-credentials"}, "too many failed logins"),
        ({"cause": "sender-not-authorised"}, "too many unauthorised senders"),
    ],
)
async def test_a_banned_host_hears_why_and_until_when_if_the_settings_say_so(start, fact, why):
    world = await start(tell_banned=True)
    now = datetime.now(UTC)
    strikes = tuple(Strike(sequence=1, at=now, cause=StrikeCause(cause), host=HOST) for cause in fact.values())
    until = datetime(2100, 1, 1, 12, 0, 30, tzinfo=UTC)
    ban(world, HostBanned(at=now, network=HOST, until=until, reason="a secret", strikes=strikes))
    for name in ("smtp", "submission"):
        said = await first_words(world.ports[name])
        assert said.decode() == f"554 5.7.1 {HOST} is banned until 2100-01-01 12:01 UTC: {why}\r\n"
    assert await first_words(world.ports["smtps"]) == b""
    assert not world.admission.connections


async def test_open_sessions_of_a_banned_host_end_and_no_others(world):
    reader, writer = await connect(world.ports["smtp"])
    other, other_writer = await connect(world.ports["smtp"], "127.0.0.8")
    assert (await reader.readline()).startswith(b"220 ")
    assert (await other.readline()).startswith(b"220 ")
    ban(world, banned())
    assert (await reader.readline()).startswith(b"421 4.7.0 ")
    assert await reader.read() == b""
    other_writer.write(b"NOOP\r\n")
    assert (await other.readline()).startswith(b"250 ")
    await eventually(lambda: len(world.admission.connections) == 1)
    for one in (writer, other_writer):
        one.close()


async def test_behind_a_balancer_the_ban_falls_on_the_client(start):
    world = await start(balancers=(HOST,))
    ban(world, banned("203.0.113.9"))
    ban(world, banned(HOST))
    line = b"PROXY TCP4 %s 192.0.2.1 999 25\r\n"
    assert await first_words(world.ports["smtp"], HOST, line % b"203.0.113.9") == b""
    assert (await first_words(world.ports["smtp"], HOST, line % b"203.0.113.8")).startswith(b"220 ")


async def test_a_stopped_login_is_told_before_its_upload_until_when_and_nobody_else(world):
    """`alice` logs in; without a login the same host's network goes on."""
    until = datetime.now(UTC) + HOUR
    stopped = LoginStopped(
        at=datetime.now(UTC),
        network="127.0.0.1",
        account="acme",
        login="alice",
        until=until,
        because=SharedBecause.SEVERAL_LOGINS,
        time_zone="Europe/Rome",
    )
    own = {Notice.LOGIN_STOPPED: {Language.EN: "{login} may send again {end}"}}
    texts = AccountTexts(languages=(Language.IT, Language.EN), notices=own)
    world.policy.logins["alice", "secret"] = replace(ALICE, texts=texts)
    world.admission.bans.table.apply(1, stopped)
    async with world.connect("submission") as client:
        await client.hello()
        assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("250 ")
        await client.say("RSET")
        await client.start_tls(world.trust)
        await client.say("EHLO client.example")
        assert (await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).startswith("235 ")
        for sender in ("alice@acme.example", "boss@other.example"):
            answer = await client.say(f"MAIL FROM:<{sender}>")
            assert answer.startswith("450-4.7.1 Il login alice e' sospeso fino alle ")
            assert "450 4.7.1 alice may send again until " in answer
        refused = await world.events(MailRefused)
        assert [event.reply for event in refused] == [Reply.LOGIN_STOPPED] * 2
        resumed = LoginResumed(
            at=datetime.now(UTC), network="127.0.0.1", account="acme", login="alice", cause=UnbanCause.LIFTED
        )
        world.admission.bans.table.apply(2, resumed)
        assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("250 ")


def guarded(until: timedelta = HOUR, known: tuple[str, ...] = ("192.0.2.1",)) -> LoginGuarded:
    now = datetime.now(UTC)
    return LoginGuarded(at=now, login="alice", account="acme", until=now + until, known=known)


async def timed(login_throttle: LoginThrottle, login: str, host: str) -> tuple[bool, float]:
    began = asyncio.get_running_loop().time()
    return await login_throttle.wait_for_turn(login, host), asyncio.get_running_loop().time() - began


async def test_who_is_no_stranger_at_a_guarded_login_does_not_wait():
    login_throttle = LoginThrottle(3600, 10)
    login_throttle.add(guarded())
    login_throttle.remember("Alice", "2001:db8::5")
    stranger = asyncio.create_task(login_throttle.wait_for_turn("ALICE", "198.51.100.1"))
    await asyncio.sleep(0)
    for login, host in (("alice", "192.0.2.1"), ("alice", "2001:db8::6"), ("bob", "198.51.100.1")):
        assert await login_throttle.wait_for_turn(login, host)
    assert not stranger.done()
    stranger.cancel()
    await asyncio.wait([stranger])


async def test_who_comes_from_a_gateway_waits_though_the_login_is_used_from_there():
    login_throttle = LoginThrottle(3600, 10)
    login_throttle.add(replace(guarded(), hiding=("192.0.2.1",)))
    login_throttle.remember("alice", "192.0.2.1")
    hidden = asyncio.create_task(login_throttle.wait_for_turn("alice", "192.0.2.1"))
    await asyncio.sleep(0)
    assert not hidden.done()
    hidden.cancel()
    await asyncio.wait([hidden])


async def test_a_password_that_was_right_lately_does_not_wait_behind_those_who_guess(world):
    login_throttle = world.admission.login_throttle

    async def log_in() -> float:
        async with world.connect("submission") as client:
            await client.hello()
            await client.start_tls(world.trust)
            await client.say("EHLO client.example")
            began = asyncio.get_running_loop().time()
            assert (await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).startswith("235 ")
            return asyncio.get_running_loop().time() - began

    await log_in()
    login_throttle.add(replace(guarded(), hiding=("127.0.0.1",)))
    guesses = [asyncio.create_task(login_throttle.wait_for_turn("alice", "127.0.0.1")) for _ in range(9)]
    assert await log_in() < 5
    for guess in guesses:
        guess.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_a_gateway_is_stated_once(world):
    for _ in range(2):
        await state_gateways(world.bus, ("172.18.0.1", "fd00::1"))
    assert [event.host for event in await world.events(GatewayDetected)] == ["172.18.0.1", "fd00::1"]


async def test_strangers_wait_their_turn_at_a_guarded_login():
    login_throttle = LoginThrottle(0.1, 10)
    login_throttle.add(guarded())
    strangers = [asyncio.create_task(timed(login_throttle, "ALICE", f"198.51.100.{n}")) for n in range(4)]
    waited = await asyncio.gather(*strangers)
    assert all(passed for passed, _ in waited)
    assert all(seconds >= 0.1 * (n + 1) - 0.02 for n, (_, seconds) in enumerate(waited))


async def test_more_strangers_than_may_wait_are_put_off():
    login_throttle = LoginThrottle(10, 2)
    login_throttle.add(guarded())
    waiting = [asyncio.create_task(login_throttle.wait_for_turn("alice", f"198.51.100.{n}")) for n in range(2)]
    await asyncio.sleep(0)
    assert not await login_throttle.wait_for_turn("alice", "198.51.100.9")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_guard_ends_by_itself():
    login_throttle = LoginThrottle(10, 1)
    login_throttle.add(guarded(until=timedelta(seconds=-1)))
    assert (await timed(login_throttle, "alice", "198.51.100.1"))[1] < 1


async def test_a_guarded_login_is_slow_for_strangers_through_smtp(start, monkeypatch):
    monkeypatch.setattr(admission, "GUARD_INTERVAL_SECONDS", 2.0)
    world = await start()
    world.admission.bans.on_event(guarded())
    for expected in (2.0, 0.0):  # who has logged in from there is no stranger any more
        async with world.connect("submission") as client:
            await client.hello()
            await client.start_tls(world.trust)
            await client.say("EHLO client.example")
            began = asyncio.get_running_loop().time()
            assert (await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).startswith("235 ")
            took = asyncio.get_running_loop().time() - began
            assert took >= expected
            assert expected or took < 2.0


def test_a_start_warns_where_one_private_address_hides_all_clients(capsys):
    for hosts, warns in (
        (["172.17.0.1"] * HIDDEN_CLIENTS_SAMPLE, True),
        (["172.17.0.1"] * (HIDDEN_CLIENTS_SAMPLE - 1), False),
        (["172.17.0.1"] * (HIDDEN_CLIENTS_SAMPLE - 1) + ["172.17.0.2"], False),
        (["127.0.0.1"] * HIDDEN_CLIENTS_SAMPLE, False),
        (["93.184.216.34"] * HIDDEN_CLIENTS_SAMPLE, False),
    ):
        hidden = HiddenClientsWarning()
        for host in hosts * 2 if warns else hosts:
            hidden.count(host)
        assert capsys.readouterr().err.count("all clients seem to come from one private address") == warns
