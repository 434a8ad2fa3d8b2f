"""A service that was taken over has NATS ask policy for a person's token: it gets none.

It chooses where the server sends a stored message, and what the message says. So the message can
be a question for a token, at the subject of such questions.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.hostile.test_a_service_reads_only_its_events import SERVICES, users
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.bus.streams import manager
from varco_common.events import PersonRole
from varco_common.runtime import earlier_tokens, person_tokens
from varco_common.runtime.person_tokens import PersonRights, token_of
from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import token_parts
from varco_common.testing import NatsServer, nats_server
from varco_common.testing.waiting import eventually

OPENED = datetime(2026, 1, 1, tzinfo=UTC)
ASK = person_tokens.QUESTION
WANTED = b'{"person":"eve","role":"operator","account":"","since":null}'
CONSUMER = "$JS.API.CONSUMER"
DIRECT_GET = "$JS.API.DIRECT.GET.EVENTS"


class Wire:
    """Everything that passes over the bus, as only the administrator hears it."""

    def __init__(self) -> None:
        self.messages: list[Msg] = []
        self.diverted = 0  # questions that the server sent to policy

    async def hear(self, message: Msg) -> None:
        self.messages.append(message)

    async def hear_question(self, message: Msg) -> None:
        self.diverted += message.data == WANTED

    def tokens(self) -> list[str]:
        """The subjects at which a token passed."""
        return [message.subject for message in self.messages if b"varco2_" in message.data]


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server(extra=users(), admin=("operator", "operator")) as running:
        yield running


@pytest.fixture
async def wire(server: NatsServer) -> AsyncIterator[Wire]:
    wire = Wire()
    async with manager(server.settings("operator", "operator")) as client:
        for subject in (">", "$JS.ACK.>", "$JS.FC.>"):
            await client.subscribe(subject, cb=wire.hear)
        await client.subscribe(ASK, cb=wire.hear_question)
        await client.flush()
        yield wire


@pytest.fixture
async def policy(server: NatsServer) -> AsyncIterator[None]:
    """policy's answers, over its own user: account acme is open."""
    signer = TokenSigner(b"k" * 40)
    async with Bus.connect(server.settings("policy", "policy"), "policy") as bus:
        answer = person_tokens.answering(signer, {"acme": OPENED}.get)
        await bus.requests.answer(ASK, "policy", answer)
        await bus.requests.answer(earlier_tokens.QUESTION, "policy", earlier_tokens.answering(signer))
        yield


async def bait(name: str, client: Client) -> str:
    """Stores the question where this service may write; the subject."""
    for subject in SERVICES[name].publishes:
        if subject.startswith("events."):
            own = subject.replace(">", "bait.x").replace("*", "bait")
            await client.request(own, WANTED, timeout=60)
            return own
    pytest.skip(f"{name} writes no event")


def diversions(subject: str, *, direct: bool) -> list[tuple[str, dict[str, object], str]]:
    """Requests (subject, body, reply) whose answers the server sends to policy."""
    made = {"stream_name": "EVENTS", "action": "create"}
    configs = {
        "pushed": {"deliver_subject": ASK, "ack_policy": "none"},
        "acknowledged": {"deliver_subject": ASK, "ack_policy": "explicit"},
        "grouped": {"deliver_subject": ASK, "deliver_group": "policy", "ack_policy": "none"},
        "controlled": {"deliver_subject": ASK, "ack_policy": "none", "flow_control": True, "idle_heartbeat": 10**9},
        "pulled": {"ack_policy": "none"},
        "explicit": {"ack_policy": "explicit"},
    }
    requests: list[tuple[str, dict[str, object], str]] = [
        (
            f"{CONSUMER}.CREATE.EVENTS.{name}.{subject}",
            made | {"config": {"name": name, "filter_subject": subject} | config},
            "",
        )
        for name, config in configs.items()
    ]
    requests += [(f"{CONSUMER}.MSG.NEXT.EVENTS.{name}", {"batch": 9, "no_wait": True}, ASK) for name in configs]
    if direct:
        requests.append((DIRECT_GET, {"last_by_subj": subject}, ASK))
    return requests


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"policy", "console"}))
async def test_a_service_that_was_taken_over_gets_no_token(server: NatsServer, wire: Wire, policy: None, name: str):
    async with manager(server.settings(name, name)) as client:
        stolen: list[Msg] = []

        async def keep(message: Msg) -> None:
            stolen.append(message)

        for subject in (f"_INBOX_{name}.>", "_INBOX_console.>", "_INBOX_policy.>", "$JS.ACK.>", ASK):
            await client.subscribe(subject, cb=keep)
        own = await bait(name, client)
        await client.publish(ASK, WANTED, reply=f"_INBOX_{name}.stolen")  # refused: it may not ask
        allowed = permissions(name, SERVICES[name].publishes, SERVICES[name].subscribes).publish
        for subject, body, reply in diversions(own, direct=DIRECT_GET in allowed):
            if reply:
                await client.publish(subject, json.dumps(body).encode(), reply=reply)
            else:
                await client.request(subject, json.dumps(body).encode(), timeout=60)
        await client.flush()
        await eventually(lambda: wire.diverted >= 3, 60)  # the server did ask policy in its place
        await own_question_is_answered(server)
        await client.flush()
    assert not [message.subject for message in stolen if b"varco2_" in message.data]
    assert [subject for subject in wire.tokens() if not subject.startswith("_INBOX_console.")] == []


async def own_question_is_answered(server: NatsServer) -> None:
    """The console gets the tokens of those whom it asks for, whatever was diverted to policy."""
    ugo = PersonRights(person="ugo", role=PersonRole.OWNER, account="acme", since=OPENED + timedelta(days=1))
    async with Bus.connect(server.settings("console", "console"), "console") as bus:
        for _ in range(5):
            text = await _answered(bus, ugo)
            token = token_parts(text).token
            assert (token.person, token.scope, token.read_only) == ("ugo", "acme", False)


async def _answered(bus: Bus, rights: PersonRights) -> str:
    """As `token_of`, on a machine that may be too busy to answer in time."""
    for _ in range(30):
        try:
            return (await token_of(bus, rights))[0]
        except TransientError:
            await asyncio.sleep(0.1)
    raise AssertionError("no answer")
