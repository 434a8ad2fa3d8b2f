"""A mail's way through the gate, as the client, the bus and the voters see it."""

import hashlib
import re

from varco_common.events import MailRefused
from varco_common.mail.ballot import Vote, accept
from varco_common.mail.replies import Reply
from varco_common.testing import nats_server
from varco_common.testing.smtp import TEXT
from varco_common.testing.waiting import eventually
from varco_ingress_smtp.settings import Settings


async def test_a_mail_is_answered_250_with_the_id_of_its_record(world, client):
    answer = await client.mail()
    (stored,) = await world.records()
    assert answer == f"250 2.0.0 Ok: queued as {stored.record.envelope.id}\r\n"
    assert stored.subject == "mail.accepted.acme"
    assert stored.record.envelope.recipients == ("bob@remote.example",)
    assert stored.record.envelope.size == len(TEXT)
    assert [vote.voter for vote in stored.record.votes] == ["policy"]
    assert stored.body.endswith(TEXT)
    assert stored.record.body.size == len(stored.body)
    assert stored.record.body.sha256 == hashlib.sha256(stored.body).hexdigest()


async def test_received_date_and_message_id_are_added_and_nothing_else_changes(world, client):
    await client.mail(TEXT)
    (stored,) = await world.records()
    mail = stored.record.envelope
    added = stored.body.removesuffix(TEXT).decode()
    assert re.fullmatch(
        r"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
        rf"\tby gate\.example \(Varco\) with ESMTP id {mail.id}\r\n\tfor <bob@remote\.example>;\r\n\t.+ \+0000\r\n"
        rf"Date: .+ \+0000\r\nMessage-ID: <{mail.id}@gate\.example>\r\n",
        added,
    )
    assert stored.record.body.shift == len(added)
    assert stored.record.message_id == f"<{mail.id}@gate.example>"


async def test_fields_that_are_there_stay_and_bcc_goes(world, client):
    head = b"Date: Tue, 24 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@acme.example>\r\nFrom: a@acme.example\r\n"
    bcc = b"Bcc: secret@remote.example,\r\n other@remote.example\r\n"
    body = b"Subject: hi\r\n\r\ntext\r\n"
    await client.mail(head + bcc + body)
    (stored,) = await world.records()
    assert stored.body.endswith(b"\r\n" + head + body)
    assert b"secret" not in stored.body
    assert stored.record.message_id == ""
    added = stored.body.removesuffix(head + body)
    assert added.startswith(b"Received: ")
    assert stored.record.body.shift == len(added) - len(bcc)
    part = stored.record.manifest.parts[0]
    shift = stored.record.body.shift
    assert stored.body[part.start + shift : part.end + shift] == b"text\r\n"


async def test_an_empty_message_gets_a_header(world, client):
    assert (await client.mail(b"")).startswith("250 ")
    (stored,) = await world.records()
    assert stored.body.startswith(b"Received: ")
    assert stored.body.endswith(b"\r\n\r\n")


async def test_bodies_are_kept_dot_stuffed_and_eight_bit(world, client):
    body = TEXT + b"..\r\n...x\r\n\xff\xfe\xe9\r\n"
    assert (await client.mail(body)).startswith("250 ")
    (stored,) = await world.records()
    assert stored.body.endswith(body)
    assert stored.record.envelope.eight_bit


async def test_votes_see_envelope_and_manifest(world, client):
    await client.mail()
    (ballot,) = world.policy.ballots
    assert ballot.envelope.account == "acme"
    assert ballot.envelope.helo == "client.example"
    assert ballot.envelope.listener == "smtp"
    assert ballot.manifest.authors == ("alice@acme.example",)


async def test_parts_to_convert_make_it_wait_for_filelink(world, client):
    world.policy.vote = lambda _: accept("policy", convert=("2",))
    await client.mail()
    (stored,) = await world.records()
    assert stored.subject == "mail.convert.acme"
    assert stored.record.convert == ("2",)


async def test_a_refusal_is_stated_before_it_is_answered_and_ends_with_its_id(world, client):
    text = 'L\'allegato "esempio.zip"\nha violato la politica'
    world.policy.vote = lambda _: Vote(voter="policy", reply=Reply.FORBIDDEN_ATTACHMENT, text=text)
    answer = await client.mail()
    (event,) = await world.events(MailRefused)
    mail = event.ballot.envelope.id
    assert answer == f'554-5.7.1 L\'allegato "esempio.zip"\r\n554 5.7.1 ha violato la politica ({mail})\r\n'
    assert event.answer == answer.strip().replace("\r\n", "\n")
    assert event.votes[0].reply is Reply.FORBIDDEN_ATTACHMENT
    assert await world.records() == []
    assert (await client.mail()).startswith("554-"), "the session goes on"


async def test_a_voters_words_are_ascii_for_a_client_without_smtputf8(world, client):
    world.policy.vote = lambda _: Vote(voter="policy", reply=Reply.QUOTA_EXCEEDED, text="non è permesso")
    assert (await client.mail()).startswith("450 4.7.1 non e' permesso (")


async def test_a_silent_voter_is_not_a_yes(start):
    world = await start(voters=("policy", "ratelimit"), vote_timeout="300 ms")
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail()).startswith("451 4.3.0 ")
    assert await world.records() == []
    (event,) = await world.events(MailRefused)
    assert event.reply is Reply.SERVICE_MISSING
    assert [vote.voter for vote in event.votes] == ["policy"]


async def test_without_a_setting_all_four_voters_must_accept_a_mail(start):
    world = await start(voters=Settings.model_fields["voters"].default, vote_timeout="300 ms")
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail()).startswith("451 4.3.0 ")
        for voter in ("ratelimit", "banguard", "filelink"):
            assert await world.records() == []
            await world.bus.voting.serve(voter, lambda _, voter=voter: accept(voter))
        assert (await client.mail()).startswith("250 ")


async def test_a_refusal_records_which_voters_were_required_and_an_early_one_that_nobody_was_asked(start):
    world = await start(voters=("policy", "ratelimit"), vote_timeout="300 ms")
    async with world.connect() as client:
        await client.hello()
        await client.mail()
        await client.say("RSET")
        assert (await client.say("MAIL FROM:<eve@evil.example>")).startswith("550 5.7.1 ")
    asked, early = await world.events(MailRefused)
    assert asked.required == ("policy", "ratelimit")
    assert early.required == ()


async def test_a_bus_that_dies_is_a_451_and_sessions_outlive_it(world, client):
    assert (await client.mail()).startswith("250 ")
    await client.envelope()
    await world.nats.kill()
    assert (await client.data()).startswith("451 4.3.0 ")
    assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith(("250 ", "451 "))
    await client.say("RSET")
    await world.nats.start()

    async def accepted() -> bool:
        await client.say("RSET")
        if (await client.say("MAIL FROM:<alice@acme.example>")).startswith("451 "):
            return False
        await client.say("RCPT TO:<bob@remote.example>")
        return (await client.data()).startswith("250 ")

    await eventually(accepted)
    assert len(await world.records()) == 2


async def test_a_full_store_is_a_452_and_nothing_is_lost(start):
    async with nats_server(mail_max_bytes=8_000) as small:
        world = await start(server=small)
        async with world.connect() as client:
            await client.hello()
            answers = [await client.mail(TEXT + b"x" * 990 + b"\r\n") for _ in range(12)]
        assert answers[0].startswith("250 ")
        assert answers[-1].startswith("452 4.3.1 ")


async def test_a_bug_is_a_451_that_says_nothing(world, client, monkeypatch):
    async def broken(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.admission.pipeline, "data", broken)
    await client.envelope()
    assert (await client.say("DATA")).startswith("354 ")
    answer = await client.reply()
    assert answer.startswith("451 4.3.0 ")
    assert "secret" not in answer
    monkeypatch.undo()
    assert (await client.mail()).startswith("250 ")
