"""Each service as its own user of the bus: the hashes of passwords are out of its reach."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client

from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.bus.streams import manager
from varco_common.events import CredentialAdded, MailboxOpened, PasswordChanged, encode_event
from varco_common.events.policy import CredentialUpgraded
from varco_common.runtime.service import Service, installed
from varco_common.testing import NatsServer, nats_server

SERVICES = {service.name: service for service in installed()}
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$u1MjgaAZYBRcPLJNNaQpcg"
FACTS = {"at": datetime.now(UTC), "account": "acme", "login": "alice@acme.example", "hash": HASH}
CREDENTIALS = (
    CredentialAdded(name="Alice", **FACTS),
    PasswordChanged(**FACTS),
    CredentialUpgraded(**FACTS),
    MailboxOpened(**FACTS),
)
READERS = {  # audit records every event: its index and its proof are of all of them
    "policy": ["audit", "policy"],
    "archive": ["archive", "audit"],
}
REFUSED_SECONDS = 0.5  # NATS tells a refusal to nobody who waits: what was not answered by then counts as refused


def users() -> str:
    known: list[dict[str, object]] = [{"user": "operator", "password": "operator"}]
    for name, service in SERVICES.items():
        allowed = permissions(name, service.publishes, service.subscribes).config()
        known.append({"user": name, "password": name, "permissions": allowed})
    return "authorization: " + json.dumps({"users": known})


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server(extra=users(), admin=("operator", "operator")) as running:
        async with Bus.connect(running.settings("operator", "operator"), "operator") as bus:
            for event in CREDENTIALS:
                await bus.events.append(event)
        yield running


async def answers(client: Client, requests: dict[str, object]) -> str:
    """Everything that the server answers to these requests, in one text."""

    async def answer(subject: str, body: object) -> str:
        try:
            return (await client.request(subject, json.dumps(body).encode(), timeout=REFUSED_SECONDS)).data.decode()
        except Exception as error:  # noqa: BLE001 - refused, or nobody answers
            return repr(error)

    return "\n".join(await asyncio.gather(*(answer(subject, body) for subject, body in requests.items())))


def consumers(subject: str) -> dict[str, object]:
    """Every request that makes a consumer which reads this subject."""
    api, made = "$JS.API.CONSUMER", {"stream_name": "EVENTS", "action": "create"}
    configs = (
        ("one", {"filter_subject": subject}),
        ("all", {}),
        ("many", {"filter_subjects": [subject, "events.policy.token-revoked.*"]}),
        ("pushed", {"filter_subject": subject, "deliver_subject": "_INBOX_stolen.x"}),
    )
    requests: dict[str, object] = {}
    for name, config in configs:
        body = made | {"config": {"name": name, "ack_policy": "none"} | config}
        durable = made | {"config": {"durable_name": name, "ack_policy": "none"} | config}
        requests[f"{api}.CREATE.EVENTS"] = body
        requests[f"{api}.CREATE.EVENTS.{name}"] = body
        requests[f"{api}.CREATE.EVENTS.{name}.{subject}"] = body
        requests[f"{api}.CREATE.EVENTS.{name}.events.policy.token-revoked.*"] = body  # says one filter, and has another
        requests[f"{api}.CREATE.EVENTS.{name}.events.>"] = body
        requests[f"{api}.DURABLE.CREATE.EVENTS.{name}"] = durable
    return requests


def reads(subject: str) -> dict[str, object]:
    """Every other request whose answer could hold a message, or hand the stream to another one."""
    api = "$JS.API"
    copy = {"name": "COPY", "sources": [{"name": "EVENTS"}], "subjects": []}
    return {
        f"{api}.STREAM.MSG.GET.EVENTS": {"last_by_subj": subject},
        f"{api}.DIRECT.GET.EVENTS": {"last_by_subj": subject},
        f"{api}.DIRECT.GET.EVENTS.{subject}": {},
        f"{api}.DIRECT.GET.EVENTS.events.>": {},
        f"{api}.STREAM.INFO.EVENTS": {"subjects_filter": ">"},  # may be answered: it names subjects
        f"{api}.STREAM.CREATE.COPY": copy,
        f"{api}.STREAM.UPDATE.EVENTS": {"name": "EVENTS", "subjects": ["events.>"], "allow_direct": True},
        f"{api}.STREAM.SNAPSHOT.EVENTS": {"deliver_subject": "_INBOX_stolen.x"},
        f"{api}.STREAM.PURGE.EVENTS": {},
        f"{api}.STREAM.MSG.DELETE.EVENTS": {"seq": 1},
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_no_request_of_another_service_reads_a_credential(server: NatsServer, name: str):
    subjects = [event.subject for event in CREDENTIALS if name not in READERS[event.SERVICE]]
    taken: list[bytes] = []

    async def keep(message) -> None:
        taken.append(message.data)

    async with manager(server.settings(name, name)) as client:
        await client.subscribe(inbox := f"_INBOX_{name}.stolen", cb=keep)
        text = ""
        for subject in subjects:
            text += await answers(client, reads(subject) | consumers(subject))
            for consumer in ("one", "all", "many", "pushed"):
                pull = b'{"batch":100,"no_wait":true}'
                await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{consumer}", pull, inbox)
        await client.flush()
        await asyncio.sleep(REFUSED_SECONDS)
    assert HASH not in text
    assert not any(HASH.encode() in data for data in taken)
    async with manager(server.settings("operator", "operator")) as operator:
        streams = [stream.config.name for stream in await operator.jetstream().streams_info()]
        assert sorted(streams) == ["EVENTS", "LEASES", "MAIL"]
        filters = {info.config.filter_subject for info in await operator.jetstream().consumers_info("EVENTS")}
        assert name == "audit" or not {*subjects, "events.>", None} & filters


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_no_service_hears_a_credential_while_it_is_stored(server: NatsServer, name: str):
    heard: list[bytes] = []

    async def keep(message) -> None:
        heard.append(message.data)

    async with manager(server.settings(name, name)) as client:
        for subject in ("events.>", "events.policy.*.*", "passing.>", "passing.policy.*.*", ">"):
            await client.subscribe(subject, cb=keep)
        await client.flush()
        async with Bus.connect(server.settings("operator", "operator"), "operator") as bus:
            await bus.events.append(PasswordChanged(**FACTS))
        await client.flush()
        await asyncio.sleep(REFUSED_SECONDS)
    assert not any(HASH.encode() in data for data in heard)


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_no_service_writes_an_event_of_another_one(server: NatsServer, name: str):
    subjects = [event.subject for event in CREDENTIALS if name != event.SERVICE]
    async with manager(server.settings(name, name)) as client:
        for subject in [*subjects, "mail.accepted.acme" if name != "ingress-smtp" else "mail.dsn.acme"]:
            assert "seq" not in await answers(client, {subject: json.loads(encode_event(CREDENTIALS[0]))})


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_each_service_follows_what_it_declares(server: NatsServer, name: str):
    """The real subjects of a service are read as it reads them, in one order."""
    service: Service = SERVICES[name]
    filters = [subject for subject in service.subscribes if subject.startswith("events.")]
    async with Bus.connect(server.settings(name, name), name) as bus:
        for subject_filter in filters:
            assert await bus.events.last_sequence(subject_filter) >= 0
        async with asyncio.timeout(60):
            unique = [each for each in dict.fromkeys(filters) if not each.startswith("events.*")]
            last = await bus.events.last_sequence(*unique)
            found = [stored.sequence async for stored in bus.events.read(*_disjoint(unique), after=0, last=last)]
        assert found == sorted(set(found))
        assert found[-1:] == ([last] if last else [])


def _disjoint(filters: list[str]) -> list[str]:
    """The filters without those that a wider one of them covers."""

    def covers(wide: str, narrow: str) -> bool:
        pairs = zip(wide.split("."), narrow.split("."), strict=False)
        return wide != narrow and all(one in ("*", ">", other) for one, other in pairs)

    return [each for each in filters if not any(covers(other, each) for other in filters)]
