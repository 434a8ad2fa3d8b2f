"""Events are found by whatever is known of them. An account sees only its own, and no secret."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import httpx
import msgspec
import pytest

from varco_audit.search.redaction import REDACTED_FIELDS, has_secrets, redacted
from varco_common.events import (
    AnyEvent,
    AuthCause,
    AuthFailed,
    CredentialAdded,
    HostBanned,
    MailDelivered,
    RouteSet,
    Smarthost,
    decode_event,
    wire_name,
)
from varco_common.testing.waiting import eventually

GOLDEN = Path(__file__).parents[3] / "libs/common/tests/events/golden"
AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


async def indexed(gate, http: httpx.AsyncClient) -> None:
    """All records are written down, and all events are indexed."""

    async def done() -> bool:
        found = (await http.get("/index")).json()
        mail, event = await gate.bus.mail.last_sequence("mail.*.*"), await gate.bus.events.last_sequence("events.>")
        return found == {"applied": event, "recorded": mail}

    await eventually(done)


async def sequences(http: httpx.AsyncClient, **params) -> list[int]:
    """Without audit's own checkpoints, which come when they come."""
    answer = await http.get("/events", params=params)
    assert answer.status_code == 200, answer.text
    return [event["sequence"] for event in answer.json()["events"] if event["fact"] != "checkpoint-signed"]


@pytest.fixture
async def client(gate, database_url):
    """On each database: two accounts; one mail each; a login that failed; a ban."""
    gate.mails = {}
    for account in ("acme", "corp"):
        gate.mails[account] = mail = await gate.mail(
            f"Bob@{account}.test",
            account=account,
            sender=f"alice@{account}.example",
            message_id=f"<1@{account}.example>",
            login=f"alice@{account}.example",
        )
        delivered = {"account": account, "mail": mail, "sequence": 1, "host": "mx.test:25", "answer": "250 ok"}
        await gate.bus.events.append(MailDelivered(at=AT, recipients=(f"bob@{account}.test",), **delivered))
        await gate.bus.events.append(
            CredentialAdded(at=AT, account=account, login="x", name="", hash="$argon2id$very-secret")
        )
    secret = Smarthost(host="mx.test", port=25, secret="sealed-away")
    await gate.bus.events.append(RouteSet(at=AT, account="acme", route=secret))
    await gate.bus.events.append(
        AuthFailed(at=AT, host="192.0.2.9", login="Eve@acme.example", cause=AuthCause.BROKEN_OFF)
    )
    await gate.bus.events.append(HostBanned(at=AT, network="192.0.2.9", until=None))
    async with gate.audit(database_url=database_url) as http:
        await indexed(gate, http)
        yield http


async def test_what_no_event_can_be_is_an_error_and_no_empty_answer(client):
    for params in ({"fact": "never-heard-of"}, {"fact": ["mail-recorded", "mail-refusd"]}, {"service": "polic"}):
        for path in ("/events", "/events/stream"):
            assert (await client.get(path, params=params)).status_code == 422


async def test_each_way_to_search_finds_what_it_should(gate, client):
    mail = gate.mails["acme"]
    for params, facts in (
        ({"mail": mail}, {"mail-recorded", "mail-delivered"}),
        ({"mail": mail.upper()}, {"mail-recorded", "mail-delivered"}),
        ({"message_id": "1@acme.example"}, {"mail-recorded"}),
        ({"sender": "ALICE@acme.example"}, {"mail-recorded"}),
        ({"recipient": "bob@ACME.test"}, {"mail-recorded", "mail-delivered"}),
        ({"host": "192.0.2.9"}, {"auth-failed", "host-banned"}),
        ({"login": "eve@acme.example"}, {"auth-failed"}),
        ({"fact": "host-banned"}, {"host-banned"}),
        ({"fact": ["host-banned", "auth-failed"]}, {"host-banned", "auth-failed"}),
        ({"service": "banguard"}, {"host-banned"}),
        ({"account": "corp"}, {"mail-recorded", "mail-delivered", "credential-added"}),
        ({"account": "corp", "fact": "mail-delivered"}, {"mail-delivered"}),
        ({"account": "corp", "mail": mail}, set()),
        (
            {"account": "acme", "mail": mail, "recipient": "bob@acme.test", "sender": "alice@acme.example"},
            {"mail-recorded"},
        ),
    ):
        answer = (await client.get("/events", params=params)).json()
        assert {event["fact"] for event in answer["events"]} == facts, params


async def test_pages_lead_from_either_end_to_the_other(gate, client):
    every = await sequences(client, order="oldest")
    assert every == sorted(every)
    assert await sequences(client) == every[::-1]
    for order, expected in (("oldest", every), ("newest", every[::-1])):
        found, cursor = [], 0
        while True:
            params = {"order": order, "limit": 3, "cursor": cursor}
            page = (await client.get("/events", params=params)).json()
            found += [event["sequence"] for event in page["events"] if event["fact"] != "checkpoint-signed"]
            if not (cursor := page["next"]):
                break
        assert found == expected


async def test_a_page_that_ends_early_is_no_end_and_all_pages_have_each_event_once(gate, client):
    every, found, cursor = await sequences(client), [], 0
    while True:
        page = (await client.get("/events", params={"seconds": 0.000_001, "cursor": cursor})).json()
        assert 0 < len(page["events"]) <= 4, "what was found by then"
        found += [event["sequence"] for event in page["events"] if event["fact"] != "checkpoint-signed"]
        if not (cursor := page["next"]):
            break
    assert found == every
    assert await sequences(client, seconds=60) == every


async def test_times_are_when_the_stream_stored_it(gate, client):
    now = datetime.now(UTC)
    every = await sequences(client)
    assert await sequences(client, since=(now + timedelta(hours=1)).isoformat()) == []
    assert await sequences(client, until=(now - timedelta(hours=1)).isoformat()) == []
    assert await sequences(client, since=(now - timedelta(hours=1)).isoformat(), until=now.isoformat()) == every
    third = (await client.get("/events/3")).json()["time"]
    split = datetime.fromisoformat(third).isoformat(timespec="milliseconds")
    assert sorted(await sequences(client, since=split) + await sequences(client, until=split)) == sorted(every)


async def test_an_account_sees_its_own_alone(gate, client):
    async with gate.client("acme") as acme:
        own = (await acme.get("/events")).json()["events"]
        assert {one["event"].get("account") or one["event"]["record"]["envelope"]["account"] for one in own} == {"acme"}
        assert await sequences(acme, mail=gate.mails["corp"]) == []
        assert (await acme.get("/events", params={"account": "corp"})).status_code == 403
        assert (await acme.get("/index")).status_code == 403
        lines = (await acme.get("/events/stream")).text.splitlines()
        assert [json.loads(line)["sequence"] for line in lines] == sorted(event["sequence"] for event in own)
        for sequence in await sequences(client):
            seen = (await acme.get(f"/events/{sequence}")).status_code
            assert seen == (200 if sequence in [event["sequence"] for event in own] else 404)


async def test_nobody_reads_a_secret(gate, client):
    for text in (
        (await client.get("/events")).text,
        (await client.get("/events/stream")).text,
        (await client.get("/events/stream", params={"account": "acme"})).text,
    ):
        assert "credential.added.v1" in text
        assert "very-secret" not in text
        assert "sealed-away" not in text


async def test_a_token_for_reading_gets_no_url_of_a_file(gate, client):
    golden = (GOLDEN / "attachment.linked.v1.json").read_bytes()
    linked = msgspec.structs.replace(decode_event(golden), at=AT)
    sequence = await gate.bus.events.append(linked)
    await indexed(gate, client)
    only = {"fact": "attachment-linked"}
    paths = [("/events", only), ("/events/stream", only), (f"/events/{sequence}", {})]
    async with gate.reader() as reader:
        for path, params in paths:
            shown, hidden = [(await http.get(path, params=params)).text for http in (client, reader)]
            assert linked.name in shown and linked.name in hidden  # noqa: PT018
            assert linked.url in shown
            assert linked.url not in hidden
        assert (await reader.get(f"/proof/events/{sequence}")).status_code == 403


async def test_lines_are_what_is_stored(gate, client):
    async for raw in gate.bus.events.follow_raw("events.relay.mail-delivered.*"):
        (line,) = (
            await client.get("/events/stream", params={"account": "acme", "fact": "mail-delivered"})
        ).text.splitlines()
        head, _, event = line.partition(',"event":')
        assert event[:-1].encode() == raw.payload
        assert json.loads(head + "}")["subject"] == raw.subject
        break


@pytest.mark.parametrize("narrow", [{"service": "relay"}, {"account": "acme", "service": "relay"}])
async def test_a_follower_gets_what_comes_and_is_let_go_at_the_end(gate, client, narrow):
    last = max(await sequences(client))
    async with client.stream("GET", "/events/stream", params={"after": last, "follow": True, **narrow}) as answer:
        lines = answer.aiter_lines()
        for number in range(3):
            await gate.bus.events.append(
                MailDelivered(at=AT, account="acme", mail=f"{number}", sequence=1, recipients=(), host="x", answer="")
            )
            assert json.loads(await anext(lines))["event"]["mail"] == str(number)


@pytest.mark.parametrize("sample", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_of_no_kind_of_event_a_secret_is_shown(sample):
    stored = msgspec.json.encode(msgspec.json.decode(sample.read_bytes()))
    event = redacted(stored)
    assert (event == stored) == all(f'"{name}"'.encode() not in stored for name in REDACTED_FIELDS)
    for name in REDACTED_FIELDS:
        assert f'"{name}":"..."'.encode() in event or f'"{name}"'.encode() not in stored


@pytest.mark.parametrize("sample", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_of_no_kind_of_event_a_reader_gets_the_address_of_a_file(sample):
    """The ids of earlier links hold the digits of their addresses."""
    stored = msgspec.json.encode(msgspec.json.decode(sample.read_bytes()))
    digits = b"e1eb3665a1a0766ea65616b6210cfd538c4950f8"
    assert digits not in redacted(stored, read_only=True)
    assert has_secrets(stored) or digits not in stored
    assert digits in redacted(stored) or digits not in stored


def test_the_fields_that_hold_secrets_are_the_known_ones():
    suspects = {
        field.name
        for kind in get_args(AnyEvent)
        for field in msgspec.structs.fields(kind)
        if any(word in field.name for word in ("hash", "secret", "password", "key"))
    }
    assert suspects - set(REDACTED_FIELDS) <= {"key_id"}, [wire_name(kind) for kind in get_args(AnyEvent)]


def test_what_is_no_json_is_one_line_of_it_all_the_same():
    assert json.loads(redacted(b"no\nevent \xff")) == {"unreadable": "no\nevent \ufffd"}
    assert redacted(b'{"a":\n1}') == b'{"a":1}'
    assert redacted(b'{"type":"x","hash" : "s"}') == b'{"type":"x","hash":"..."}'
