"""Forwarded copies: mails of their own, once each, and no word to the sender."""

import asyncio
import email
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from varco_archive.rendered_copy import copy_id
from varco_common.bus import Delivery
from varco_common.events import CopyBounced, CopyForwarded, Failure, MailBounced, MailDropped
from varco_common.mail.hops import count_hops
from varco_common.testing.waiting import eventually

from .conftest import BODY, switch_on

TOLD = {"senders_told": "HR, 2026-11-02"}


async def forwarded(gate, wanted: int) -> list[Delivery]:
    """What relay would get, once there are `wanted` copies; and there are no more."""
    found: list[Delivery] = []
    async with gate.bus.mail.consume("relay-test", "mail.copy.*", in_flight=100, max_bytes=1 << 24) as puller:
        async with asyncio.timeout(60):
            while len(found) < wanted:
                found.append(await anext(puller))
        assert await puller.pending() == wanted
    await gate.bus.mail.delete_consumer("relay-test")
    return found


async def test_a_plain_copy_is_the_mail_with_its_envelope_in_front(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        mail = await gate.mail("bob@x.example", "hidden@y.example")
        (copy,) = await forwarded(gate, 1)
        envelope = copy.record.envelope
        assert (envelope.id, envelope.sender, envelope.recipients) == (copy_id(mail), "", ("boss@acme.example",))
        assert copy.body.endswith(b">\r\nSubject: hello\r\n\r\nhello\r\n..dots\r\n")
        assert b"X-Envelope-To: <bob@x.example>,\r\n <hidden@y.example>\r\n" in copy.body
        assert b"boss@" not in copy.body
        (event,) = await gate.events("events.archive.copy-forwarded.*")
        assert isinstance(event, CopyForwarded)
        assert (event.mail, event.copy, event.address) == (mail, copy_id(mail), "boss@acme.example")
        assert (await http.get("/accounts/acme/archive/status")).json()["copies"] == 0


async def test_a_journal_holds_the_mail_as_an_attachment_and_the_envelope_in_its_text(gate):
    async with gate.archive() as http:
        forward = {"to": "boss@acme.example", "form": "journal", "return_path": "copies@acme.example"}
        await switch_on(http, forward=forward, **TOLD)
        mail = await gate.mail("bob@x.example", "hidden@y.example")
        (copy,) = await forwarded(gate, 1)
        assert copy.record.envelope.sender == "copies@acme.example"
        assert b"\r\n..dots\r\n" in copy.body
        report = email.message_from_bytes(copy.body.replace(b"\r\n..", b"\r\n."))
        text, attached = report.get_payload()
        assert (
            text.get_payload().split()
            == (
                f"Sender: alice@acme.example Message-Id: {mail} Account: acme "
                "Recipient: bob@x.example Recipient: hidden@y.example"
            ).split()
        )
        assert attached.get_content_type() == "message/rfc822"
        assert attached.get_payload(0).as_bytes() == b"Subject: hello\n\nhello\n.dots\n"
        assert report["To"] == "<boss@acme.example>"


async def test_a_killed_archive_forwards_every_mail_once(gate):
    async with gate.process() as first:
        async with gate.client() as http:
            await switch_on(http, forward="boss@acme.example", **TOLD)
        mails = [await gate.mail() for _ in range(40)]
        await eventually(lambda: gate.bus.events.last_sequence("events.archive.copy-forwarded.*"))
        first.kill()
    async with gate.process():
        copies = await forwarded(gate, 40)
    assert sorted(copy.record.envelope.id for copy in copies) == sorted(map(copy_id, mails))


async def test_an_index_that_lost_what_it_forwarded_forwards_nothing_twice(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        await gate.mail()
        await forwarded(gate, 1)
    for file in (gate.home / "data").iterdir():
        file.unlink()
    async with gate.archive():
        await gate.mail()
        assert len(await forwarded(gate, 2)) == 2


async def test_a_copy_that_bounces_is_an_event_for_the_operator(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        mail = await gate.mail()
        (copy,) = await forwarded(gate, 1)
        failure = Failure(recipient="boss@acme.example", status="5.1.1", answer="550 5.1.1 no such user")
        for about in (copy_id(mail), mail):  # the mail's own bounce is none of ours
            bounced = MailBounced(
                at=datetime.now(UTC),
                account="acme",
                mail=about,
                sequence=copy.sequence,
                failures=(failure,),
                host="mx.example:25",
            )
            await gate.bus.events.append(bounced)
        await eventually(lambda: gate.bus.events.last_sequence("events.archive.copy-bounced.*"))
        (event,) = await gate.events("events.archive.copy-bounced.*")
        assert isinstance(event, CopyBounced)
        assert (event.mail, event.address, event.answer) == (mail, "boss@acme.example", "550 5.1.1 no such user")
        metrics = (await http.get("/metrics")).text
        assert "varco_archive_bounced_total" in metrics


async def test_a_copy_that_somebody_drops_is_an_event_for_the_operator(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        mail = await gate.mail()
        (copy,) = await forwarded(gate, 1)
        dropped = MailDropped(
            at=datetime.now(UTC),
            account="acme",
            mail=copy_id(mail),
            sequence=copy.sequence,
            recipients=("boss@acme.example",),
            by="token:ops",
            reason="stolen password",
        )
        await gate.bus.events.append(dropped)
        await eventually(lambda: gate.bus.events.last_sequence(CopyBounced.subject_filter()))
    (event,) = await gate.events(CopyBounced.subject_filter())
    assert (event.mail, event.answer) == (mail, "dropped by token:ops: stolen password")


async def test_a_large_mail_is_forwarded_through_the_object_store(gate, bodies):
    large = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 40_000
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        mail = await gate.mail(body=large, blobs=bodies)
        (copy,) = await forwarded(gate, 1)
        assert (copy.body, copy.record.body.object) == (b"", copy_id(mail))
        text = await bodies.get(copy.record.body.object)
        assert text.endswith(large)
        assert len(text) == copy.record.body.size


async def test_a_mail_goes_to_the_address_of_its_time_with_the_gates_return_path(gate):
    """A copy that is still owed is not redirected by a later change of the address."""
    async with gate.archive() as http:
        await switch_on(http, forward="first@acme.example", **TOLD)
    mails = [await gate.mail()]
    async with gate.archive(return_path="bounces@gate.example") as http:
        await forwarded(gate, 1)
        await switch_on(http, forward={"to": "second@acme.example", "return_path": "own@acme.example"}, **TOLD)
        mails.append(await gate.mail())
        first, second = sorted(await forwarded(gate, 2), key=lambda copy: copy.sequence)
    assert [copy.record.envelope.id for copy in (first, second)] == list(map(copy_id, mails))
    assert first.record.envelope.recipients == ("first@acme.example",)
    assert first.record.envelope.sender == "bounces@gate.example"
    assert second.record.envelope.recipients == ("second@acme.example",)
    assert second.record.envelope.sender == "own@acme.example"


async def test_a_copy_of_a_mail_that_is_gone_is_reported_as_bounced(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
    mail = await gate.mail()
    async with gate.archive():
        (copy,) = await forwarded(gate, 1)

        async def indexed():  # else the next start finds the copy in MAIL, and owes nothing
            return await gate.bus.mail.acknowledged("archive") >= copy.sequence

        await eventually(indexed)
        await eventually(lambda: gate.bus.events.last_sequence(CopyForwarded.subject_filter()))
    await gate.bus.admin.erase(gate.last, overwrite=False)
    with closing(sqlite3.connect(gate.home / "data" / "archive.sqlite")) as database, database:
        database.execute("UPDATE copies SET forward = 1")  # as if the crash came before the append
    async with gate.archive():
        await eventually(lambda: gate.bus.events.last_sequence(CopyBounced.subject_filter()))
    (event,) = await gate.events(CopyBounced.subject_filter())
    assert (event.mail, event.copy, event.address) == (mail, "", "boss@acme.example")


async def test_a_bounce_that_came_while_archive_was_down_is_noticed_at_the_next_start(gate):
    async with gate.archive() as http:
        await switch_on(http, forward="boss@acme.example", **TOLD)
        mail = await gate.mail()
        (copy,) = await forwarded(gate, 1)
        await eventually(lambda: gate.bus.events.last_sequence(CopyForwarded.subject_filter()))
    bounced = MailBounced(
        at=datetime.now(UTC), account="acme", mail=copy_id(mail), sequence=copy.sequence, failures=(), host=""
    )
    for _ in range(2):  # relay may say it twice; one event is enough
        await gate.bus.events.append(bounced)
        async with gate.archive():
            await eventually(lambda: gate.bus.events.last_sequence(CopyBounced.subject_filter()))
    (event,) = await gate.events(CopyBounced.subject_filter())
    assert (event.mail, event.copy, event.answer) == (mail, copy_id(mail), "")


@pytest.mark.parametrize("form", ["plain", "journal"])
async def test_copies_that_come_back_to_the_gate_come_to_an_end(gate, form):
    """Their address leads back to the gate, which accepts them as mails and copies them again.

    Ingress refuses a mail with MAX_HOPS fields; the first rounds show that each one counts.
    """
    async with gate.archive() as http:
        await switch_on(http, forward={"to": "boss@acme.example", "form": form}, **TOLD)
        body = BODY
        for rounds in range(1, 9):
            await gate.mail(body=received(rounds) + body)
            body = (await forwarded(gate, rounds))[-1].body
            assert count_hops(header_of(body)) == rounds


def received(number: int) -> bytes:
    """What ingress adds to a mail."""
    return f"Received: from a ([127.0.0.1])\r\n\tby gate.test (Varco) with ESMTP id {number};\r\n\ttoday\r\n".encode()


def header_of(body: bytes) -> bytes:
    return body.partition(b"\r\n\r\n")[0]


async def test_a_large_mail_s_hops_are_counted_too(gate, bodies):
    body = received(1) + b"X-Long: " + b"x" * 900 + b"\r\n" + received(2) + BODY + b"x\r\n" * 300_000
    async with gate.archive() as http:
        await switch_on(http, forward={"to": "boss@acme.example", "form": "journal"}, **TOLD)
        await gate.mail(body=body, blobs=bodies)
        (copy,) = await forwarded(gate, 1)
        copied = b"".join([piece async for piece in bodies.stream(copy.record.body.object)])
    assert copied.startswith(received(1) + received(2) + b"From: ")
    assert copied.partition(b"Content-Disposition: attachment\r\n\r\n")[2].startswith(body)
