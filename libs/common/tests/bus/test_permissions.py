"""Services with their own users: each does its work, none reads or says what is another's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest
import pytest_asyncio

from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.bus.streams import manager
from varco_common.events import AccountOpened, Language
from varco_common.mail.ballot import accept
from varco_common.testing import NatsServer, nats_server
from varco_common.testing.samples import ballot, failed, record
from varco_common.testing.waiting import eventually

SERVICES = {
    "ingress-smtp": permissions(
        "ingress-smtp",
        ("events.ingress-smtp.>", "mail.accepted.*", "ballot.*", "ask.policy.*"),
        ("passing.policy.*.*", "events.ingress-smtp.>"),
    ),
    "policy": permissions("policy", ("events.policy.>",), ("ballot.*", "ask.policy.*", "events.policy.>")),
    "relay": permissions(
        "relay", ("events.relay.>", "mail.dsn.*"), ("mail.accepted.*", "mail.dsn.*", "events.policy.>")
    ),
}


def users() -> str:
    known = [{"user": "admin", "password": "admin"}]
    known += [{"user": name, "password": name, "permissions": each.config()} for name, each in SERVICES.items()]
    return "authorization: " + json.dumps({"users": known})


@pytest_asyncio.fixture
async def guarded() -> AsyncIterator[NatsServer]:
    async with nats_server(extra=users(), admin=("admin", "admin")) as server:
        yield server


@pytest_asyncio.fixture
async def services(guarded: NatsServer) -> AsyncIterator[dict[str, Bus]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                Bus.connect(guarded.settings(name, name, append_timeout_seconds=0.3), name)
            )
            for name in SERVICES
        }


async def test_a_mail_goes_all_its_way_with_each_service_on_its_own_user(services: dict[str, Bus]):
    ingress, policy, relay = services["ingress-smtp"], services["policy"], services["relay"]

    async def echo(question: bytes) -> bytes:
        return question

    await policy.voting.serve("policy", lambda _: accept("policy"))
    await policy.requests.answer("ask.policy.login", "policy", echo)
    assert await eventually(lambda: ingress.voting.collect(ballot(), ["policy"], 1)) == [accept("policy")]
    assert await ingress.requests.ask("ask.policy.login", b"?") == b"?"
    heard: list[str] = []
    ingress.events.listen("events.policy.*.*", callback=heard.append)
    sequence = await ingress.events.append(failed(1), expect=0)
    assert await ingress.events.last_sequence("events.ingress-smtp.>") == sequence
    await policy.events.append(opened := AccountOpened(at=failed(1).at, account="acme", language=Language.EN))
    await eventually(lambda: heard == [opened.subject])
    async with aclosing(ingress.events.follow("events.ingress-smtp.>")) as stored:
        assert (await anext(stored)).sequence == sequence
    mail = await ingress.mail.append("accepted", record(), b"x")
    async with relay.mail.consume("relay-acme", "mail.accepted.acme", in_flight=2, max_bytes=1 << 20) as consumer:
        delivery = await anext(consumer)
        assert delivery.sequence == mail
        await delivery.park("tried")
    assert (await relay.mail.get(mail)).body == b"x"
    await relay.mail.delete_consumer("relay-acme")


async def test_a_service_cannot_speak_for_another(services: dict[str, Bus]):
    with pytest.raises(TransientError):
        await services["policy"].events.append(failed(1))
    with pytest.raises(TransientError):
        await services["policy"].mail.append("accepted", record(), b"x")
    with pytest.raises(TransientError):
        await services["relay"].mail.append("accepted", record(), b"x")


async def test_a_service_that_may_not_read_mail_cannot(services: dict[str, Bus]):
    sequence = await services["ingress-smtp"].mail.append("accepted", record(), b"x")
    with pytest.raises(TransientError):
        await asyncio.wait_for(services["policy"].mail.get(sequence), 60)


@pytest.mark.parametrize("subject", ["_INBOX_ingress-smtp.>", ">", "mail.>", "ballot.*", "$JS.ACK.>"])
async def test_no_service_can_listen_to_what_is_not_its_own(subject: str, guarded: NatsServer):
    refused = asyncio.Event()

    async def complain(_: Exception) -> None:
        refused.set()

    async with manager(guarded.settings("policy", "policy")) as raw:
        raw._error_cb = complain
        await raw.subscribe(subject)
        async with asyncio.timeout(60):
            await refused.wait()


async def test_a_voter_has_one_vote_a_ballot(services: dict[str, Bus], guarded: NatsServer):
    refused = asyncio.Event()

    async def complain(_: Exception) -> None:
        refused.set()

    async with manager(guarded.settings("policy", "policy")) as raw:
        raw._error_cb = complain

        async def twice(message) -> None:
            await message.respond(b"not a vote")
            await message.respond(b'{"voter":"policy","reply":"accepted"}')

        await raw.subscribe("ballot.*", queue="policy", cb=twice)
        await raw.flush()
        async with asyncio.timeout(60):
            while not refused.is_set():
                assert await services["ingress-smtp"].voting.collect(ballot(), ["policy"], 0.3) == []


async def test_a_wrong_password_never_connects(guarded: NatsServer):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), Bus.connect(guarded.settings("policy", "wrong"), "policy"):
            pass


async def test_an_answer_that_is_diverted_into_a_stream_is_no_mail_and_no_event(
    services: dict[str, Bus], guarded: NatsServer
):
    async with manager(guarded.settings("policy", "policy")) as raw:
        subject, config = "$JS.API.CONSUMER.CREATE.EVENTS.bait.events.policy.>", {"filter_subject": "events.policy.>"}
        await raw.request(
            subject, json.dumps({"stream_name": "EVENTS", "config": {"name": "bait", **config}}).encode(), timeout=30
        )
        for target in ("mail.accepted.acme", "events.ingress-smtp.auth-failed.x"):
            await raw.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.bait", b'{"no_wait":true}', reply=target)
        await raw.flush()
    ingress, relay = services["ingress-smtp"], services["relay"]
    await becomes_stored(ingress)
    true = await ingress.mail.append("accepted", record(), b"x")
    with pytest.raises(PoisonError):
        await relay.mail.get(true - 1)
    await ingress.events.append(failed(2))
    async with relay.mail.consume("relay-acme", "mail.accepted.acme", in_flight=2, max_bytes=1 << 20) as consumer:
        assert (await anext(consumer)).sequence == true
    async with aclosing(ingress.events.follow("events.ingress-smtp.>")) as stored_events:
        assert [(await anext(stored_events)).event for _ in range(2)] == [None, failed(2)]


async def becomes_stored(bus: Bus) -> None:
    """The diverted answer is in the stream."""

    async def are_stored() -> bool:
        return await bus.events.last_sequence("events.ingress-smtp.>") >= 1

    await eventually(are_stored)
