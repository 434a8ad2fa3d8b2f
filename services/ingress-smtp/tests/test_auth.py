"""AUTH: under TLS alone, asked of policy, remembered, and every failure a fact."""

import asyncio
import time
from base64 import b64encode
from datetime import UTC, datetime

import msgspec
import pytest

from varco_common.events import AuthCause, AuthFailed
from varco_common.events.policy import PasswordChanged
from varco_common.mail import grants
from varco_common.mail.grants import Denied, LoginQuestion, NetworkQuestion
from varco_common.testing.waiting import eventually
from varco_ingress_smtp import authentication
from varco_ingress_smtp.smtp import limits
from varco_ingress_smtp.smtp.limits import PerHostSemaphore


def plain(login="alice", password="secret", authorise=""):
    return b64encode(f"{authorise}\0{login}\0{password}".encode()).decode()


def word(text):
    return b64encode(text.encode()).decode()


class Slow:
    """Answers no question before `free`; `hosts` asked."""

    def __init__(self):
        self.free = asyncio.Event()
        self.hosts = []

    async def ask(self, subject, payload, timeout=2.0):
        self.hosts.append(msgspec.json.decode(payload)["host"])
        await self.free.wait()
        return grants.encode(grants.Denied())


@pytest.fixture
async def client(world):
    """On the submission port, inside TLS, from a network that nobody trusts."""
    world.policy.networks.clear()
    async with world.connect("submission") as one:
        await one.hello()
        await one.start_tls(world.trust)
        await one.say("EHLO client.example")
        yield one


async def failures(world):
    found = await eventually(lambda: world.events(AuthFailed))
    return [(event.cause, event.login, event.account) for event in found]


async def test_plain_with_an_initial_response_logs_in_and_the_mail_has_the_login(world, client):
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235 2.7.0 ")
    assert (await client.mail()).startswith("250 ")
    envelope = world.policy.ballots[0].envelope
    assert (envelope.login, envelope.account, envelope.listener) == ("alice", "acme", "submission")
    assert envelope.tls == "TLSv1.3"
    assert b"with ESMTPSA id" in (await world.records())[0].body


async def test_plain_and_login_with_challenges(world, client):
    assert (await client.say("AUTH PLAIN")) == "334 \r\n"
    assert (await client.say(plain(authorise="alice"))).startswith("235 ")
    async with world.connect("smtps", tls=True) as other:
        await other.hello()
        assert (await other.say("auth login")) == "334 VXNlcm5hbWU6\r\n"
        assert (await other.say(word("alice"))) == "334 UGFzc3dvcmQ6\r\n"
        assert (await other.say(word("secret"))).startswith("235 ")
        assert (await other.mail()).startswith("250 ")


async def test_login_with_an_initial_response(client):
    assert (await client.say(f"AUTH LOGIN {word('alice')}")).startswith("334 ")
    assert (await client.say(word("secret"))).startswith("235 ")


async def test_wrong_credentials_are_535_and_a_fact(world, client):
    assert (await client.say(f"AUTH PLAIN {plain(password='wrong')}")).startswith("535 5.7.8 ")
    assert await failures(world) == [(AuthCause.WRONG_CREDENTIALS, "alice", "acme")]
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235 ")


async def test_a_disabled_login_is_a_535_and_no_strike(world, client):
    world.policy.denial = Denied(account="acme", disabled=True)
    assert (await client.say(f"AUTH PLAIN {plain(password='wrong')}")).startswith("535 5.7.8 ")
    world.policy.denial = Denied(account="acme")
    assert (await client.say(f"AUTH PLAIN {plain(password='other')}")).startswith("535 5.7.8 ")
    assert await failures(world) == [(AuthCause.WRONG_CREDENTIALS, "alice", "acme")]


async def test_auth_in_the_clear_is_538_and_a_fact(world):
    async with world.connect() as client:
        await client.hello()
        assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("538 5.7.11 ")
    assert await failures(world) == [(AuthCause.INSECURE_CHANNEL, "alice", "")]
    assert world.policy.asked == []


@pytest.mark.parametrize("words", [["AUTH PLAIN"], ["AUTH LOGIN"], [f"AUTH LOGIN {word('alice')}"]])
async def test_a_connection_broken_off_in_the_middle_is_a_fact(world, client, words):
    for line in words:
        assert (await client.say(line)).startswith("334 ")
    client.writer.transport.abort()
    ((cause, login, _),) = await failures(world)
    assert cause is AuthCause.BROKEN_OFF
    assert login in ("", "alice")


async def test_policy_that_cant_tell_is_a_454_and_no_failure(world, client):
    world.policy.unavailable = True
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("454 4.7.0 ")
    assert await world.events(AuthFailed) == []
    world.policy.unavailable = False
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235 ")


async def test_without_auth_from_an_untrusted_network_there_is_no_mail(world, client):
    assert (await client.say("MAIL FROM:<alice@acme.example>")) == "530 5.7.0 Authentication required\r\n"


async def test_policy_that_is_away_is_a_451_at_mail(world, client):
    world.policy.unavailable = True
    assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("451 4.3.0 ")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AUTH", "501 5.5.4"),
        ("AUTH CRAM-MD5", "504 5.5.4"),
        ("AUTH PLAIN !!!", "501 5.5.2"),
        (f"AUTH PLAIN {word('alice')}", "501 5.5.2"),
        (f"AUTH PLAIN {plain(authorise='bob')}", "501 5.5.2"),
        ("AUTH PLAIN =", "501 5.5.2"),
    ],
)
async def test_each_bad_auth_gets_its_answer(client, line, answer):
    assert (await client.say(line)).startswith(answer + " ")


async def test_auth_can_be_cancelled(client):
    await client.say("AUTH LOGIN")
    assert (await client.say("*")).startswith("501 5.7.0 ")
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235 ")
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("503 5.5.1 ")


async def test_no_auth_while_a_mail_is_under_way(world):
    async with world.connect("smtps", tls=True) as client:
        await client.hello()
        await client.say("MAIL FROM:<alice@acme.example>")
        assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("503 5.5.1 ")


async def test_a_verified_login_is_remembered_until_its_account_changes(world, client):
    async def again() -> int:
        async with world.connect("smtps", tls=True) as other:
            await other.hello()
            assert (await other.say(f"AUTH PLAIN {plain()}")).startswith("235 ")
        return len(world.policy.asked)

    await client.say(f"AUTH PLAIN {plain()}")
    assert await again() == 1
    event = PasswordChanged(at=datetime.now(UTC), account="acme", login="alice", hash="x")
    await world.bus.events.append(event)
    await eventually(lambda: not len(world.admission.authenticator))
    assert await again() == 2


async def test_a_wrong_password_is_never_remembered(world, client):
    for _ in range(2):
        await client.say(f"AUTH PLAIN {plain(password='wrong')}")
    assert len(world.policy.asked) == 2
    assert len(world.admission.authenticator) == 0


async def test_a_login_is_asked_of_policy_once_for_each_host(world):
    one = authentication.Authenticator(world.bus.requests, max_networks=2)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"):
        asked = LoginQuestion(login="alice", password="secret", host=host)
        assert (await one.login(asked)).grant.account == "acme"
    assert len(world.policy.asked) == 2


async def test_networks_are_remembered_within_bounds(world):
    small = authentication.Authenticator(world.bus.requests, max_networks=2)
    for n in range(5):
        await small.network(NetworkQuestion(host=f"192.0.2.{n}"))
    assert len(small) == 2
    small.on_policy_event("events.policy.network-trusted.acme")
    assert len(small) == 0, "a refusal may be untrue by now"


async def test_an_answer_right_after_a_change_is_used_but_not_remembered(world):
    one = authentication.Authenticator(world.bus.requests, max_networks=2)
    one.on_policy_event("events.policy.rules-changed.acme")
    answer = await one.network(NetworkQuestion(host="127.0.0.1"))
    assert answer.grant.account == "acme"
    assert len(one) == 0
    assert answer.at <= time.monotonic()


async def test_a_session_does_not_outlive_its_password(world, client):
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235 ")
    assert (await client.mail()).startswith("250 ")
    await world.bus.events.append(PasswordChanged(at=datetime.now(UTC), account="acme", login="alice", hash="x"))
    await eventually(lambda: not len(world.admission.authenticator))
    assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("421 4.7.0 ")
    assert await client.reply() == ""


async def test_one_host_asks_for_few_logins_at_once_and_the_others_do_not_wait():
    bus = Slow()
    one = authentication.Authenticator(bus)
    flood = [
        asyncio.create_task(one.login(LoginQuestion(login="x", password=str(n), host="192.0.2.1"))) for n in range(50)
    ]
    other = asyncio.create_task(one.login(LoginQuestion(login="alice", password="secret", host="192.0.2.2")))
    await eventually(lambda: bus.hosts.count("192.0.2.2"))
    assert bus.hosts.count("192.0.2.1") == authentication.LOGINS_AT_ONCE
    bus.free.set()
    await asyncio.gather(other, *flood)
    assert bus.hosts.count("192.0.2.1") == 50


async def test_a_host_that_waits_no_more_leaves_nothing_behind():
    semaphore = PerHostSemaphore(1)
    async with semaphore.of("192.0.2.1"), semaphore.of("192.0.2.2"):
        assert len(semaphore) == 2
    assert len(semaphore) == 0


async def test_a_login_that_can_not_be_checked_is_not_tried_without_end(world, client):
    world.policy.unavailable = True
    for _ in range(limits.MAX_ERRORS):
        assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("454 4.7.0 ")
    assert (await client.reply()).startswith("421 ")


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "cp1252"])
async def test_a_password_is_right_in_the_charset_of_old_clients_too(world, client, charset):
    world.policy.logins["alice", "pässwörd"] = world.policy.logins["alice", "secret"]
    response = b64encode("\0alice\0pässwörd".encode(charset)).decode()
    assert (await client.say(f"AUTH PLAIN {response}")).startswith("235 ")


@pytest.mark.parametrize("password", [b"w\xf6rong", b"\x81\x8d", b"\x80uro"])
async def test_a_wrong_password_in_any_charset_is_an_event(world, client, password):
    await client.say("AUTH LOGIN")
    await client.say(word("alice"))
    assert (await client.say(b64encode(password))).startswith("535 5.7.8 ")
    assert await failures(world) == [(AuthCause.WRONG_CREDENTIALS, "alice", "acme")]


async def test_wrong_credentials_that_a_session_repeats_are_one_guess(world, client):
    for guess in ("wrong", "wrong", "other", "wrong"):
        assert (await client.say(f"AUTH PLAIN {plain(password=guess)}")).startswith("535 ")
        await client.say("AUTH LOGIN")
        await client.say(word("ALICE"))
        assert (await client.say(word(guess))).startswith("535 ")
    assert [login for _, login, _ in await failures(world)] == ["alice", "alice"]


async def test_another_process_knows_the_same_wrong_credentials(start):
    """So that banguard counts them once, whichever process a phone reaches."""
    first, second = await start(), await start()
    for world in (first, second):
        await world.admission.guesses.share(world.bus)
        async with world.connect("smtps", tls=True) as client:
            await client.hello()
            await client.say(f"AUTH PLAIN {plain(password='wrong')}")
        await world.admission.recorder.flush()
    one, other = await first.events(AuthFailed)
    assert one.guess == other.guess


async def test_another_session_with_the_same_wrong_credentials_is_another_guess(world, client):
    await client.say(f"AUTH PLAIN {plain(password='wrong')}")
    async with world.connect("smtps", tls=True) as other:
        await other.hello()
        await other.say(f"AUTH PLAIN {plain(password='wrong')}")
        await other.say(f"AUTH PLAIN {plain(password='other')}")
    first, second, third = await world.events(AuthFailed)
    assert first.guess == second.guess != third.guess
    assert "wrong" not in first.guess
