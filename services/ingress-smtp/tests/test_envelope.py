"""What MAIL and RCPT forbid already."""

import msgspec
import pytest

from varco_common.events import MailRefused, RecipientRefused, RouteLearned
from varco_common.events.policy import SenderAuthorised
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.delivery_options import Notify, RecipientOptions
from varco_common.mail.notice_texts import Language
from varco_common.mail.replies import Reply
from varco_common.testing.waiting import eventually


async def test_a_sender_that_is_not_authorised_is_refused_at_mail_naming_both(world, client):
    answer = await client.say("MAIL FROM:<eve@evil.example>")
    assert answer.startswith("550 5.7.1 ")
    assert "eve@evil.example" in answer
    assert "acme" in answer
    (event,) = await world.events(MailRefused)
    assert event.reply is Reply.SENDER_NOT_AUTHORISED
    assert event.votes[0].voter == "ingress-smtp"
    assert event.ballot.envelope.sender == "eve@evil.example"
    assert event.ballot.envelope.id in answer


async def test_hanging_up_at_once_is_no_way_around_the_refusals_fact(world):
    async with world.connect() as client:
        await client.hello()
        client.send(b"MAIL FROM:<eve@evil.example>\r\n")
        await client.writer.drain()
        client.writer.transport.abort()
    await eventually(lambda: world.events(MailRefused))


async def test_the_null_sender_is_left_to_policy(world, client):
    assert (await client.say("MAIL FROM:<>")).startswith("250 2.1.0 ")
    assert (await client.say("RCPT TO:<bob@remote.example>")).startswith("250 2.1.5 ")
    assert (await client.data()).startswith("250 ")
    assert world.policy.ballots[0].envelope.sender == ""


async def test_a_size_over_the_limit_is_refused_at_mail_naming_the_limit(world, client):
    answer = await client.say("MAIL FROM:<alice@acme.example> SIZE=2000001")
    assert answer.startswith("552-5.3.4 ")
    assert "(2000000 bytes)" in answer
    assert (await client.say("MAIL FROM:<alice@acme.example> SIZE=2000000")).startswith("250 ")


async def test_notices_speak_the_accounts_languages_in_their_order(world):
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(
        world.policy.networks["127.0.0.1"], texts=AccountTexts(languages=(Language.IT, Language.EN))
    )
    async with world.connect() as client:
        await client.hello()
        answer = await client.say("MAIL FROM:<alice@acme.example> SIZE=2000001")
        assert answer.index("(2000000 byte) del server") < answer.index("(2000000 bytes) of the server")


async def test_each_recipient_over_the_limit_hears_452_and_that_is_stated(world, client):
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(world.policy.networks["127.0.0.1"], max_recipients=2)
    await client.envelope("alice@acme.example", "a@r.example", "b@r.example")
    for extra in ("c", "d", "c"):
        assert (await client.say(f"RCPT TO:<{extra}@r.example>")).startswith("452 4.5.3 ")
    assert (await client.data()).startswith("250 ")
    (stored,) = await world.records()
    assert stored.record.envelope.recipients == ("a@r.example", "b@r.example")
    stated = await world.events(RecipientRefused)
    assert [(one.recipient, one.mail) for one in stated] == [
        (f"{extra}@r.example", stored.record.envelope.id) for extra in ("c", "d")
    ]
    assert not await world.events(MailRefused)  # that would be the mail's end


async def test_addresses_of_one_mail_fit_the_records_header(start):
    world = await start(max_recipients=1000)
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(
        world.policy.networks["127.0.0.1"], max_recipients=1000
    )
    async with world.connect() as client:
        await client.hello()
        await client.say("MAIL FROM:<alice@acme.example>")
        client.send(b"".join(b"RCPT TO:<%s%03d@%s.example>\r\n" % (b"x" * 60, n, b"d" * 60) for n in range(400)))
        answers = [await client.reply() for _ in range(400)]
        assert {answer[:9] for answer in answers} == {"250 2.1.5", "452 4.5.3"}
        assert (await client.data()).startswith("250 ")


async def test_the_same_recipient_twice_is_one(world, client):
    await client.envelope("alice@acme.example", "a@r.example", "a@r.example")
    await client.data()
    assert world.policy.ballots[0].envelope.recipients == ("a@r.example",)


async def test_changed_senders_are_left_to_policys_vote(world, client):
    """An old grant must not refuse what the account allows by now."""
    await client.mail()
    event = SenderAuthorised(
        at=world.policy.ballots[0].envelope.received_at, account="acme", pattern="new@other.example"
    )
    await world.bus.events.append(event)
    await eventually(lambda: world.admission.authenticator.account_changed(session_grant(world)))
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(
        world.policy.networks["127.0.0.1"], senders=("@acme.example", "new@other.example")
    )
    assert (await client.say("MAIL FROM:<new@other.example>")).startswith("250 ")


def session_grant(world):
    (session,) = world.admission.connections
    return session.info.granted


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MAIL FROM:alice@acme.example", "501 5.5.4"),
        ("MAIL TO:<alice@acme.example>", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("MAIL FROM:<alice>", "553 5.1.7"),
        ("MAIL FROM:<alice@@acme.example>", "553 5.1.7"),
        (f"MAIL FROM:<{'a' * 65}@acme.example>", "553 5.1.7"),
        ("MAIL FROM:<alice@acme.example> SIZE=x", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> HOLDFOR=60", "555 5.5.4"),
        ("MAIL FROM:<alice@acme.example> REQUIRETLS", "555 5.5.4"),
        ("MAIL FROM:<alice@acme.example> RET=full ENVID=QQ+2B314", "250 2.1.0"),
        ("MAIL FROM:<alice@acme.example> RET=ALL", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> RET", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> RET=FULL RET=HDRS", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> ENVID=a+2b", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example> ENVID", "501 5.5.4"),
        (f"MAIL FROM:<alice@acme.example> ENVID={'x' * 101}", "501 5.5.4"),
        ("MAIL FROM:<alicé@acme.example>", "553 5.6.7"),
        ("MAIL FROM:<alice@acme.example> BODY=8BITMIME SIZE=100 AUTH=<>", "250 2.1.0"),
        ("mail from: <alice@acme.example>  size=5 ", "250 2.1.0"),
        ("MAIL FROM:<@relay.example:alice@acme.example>", "250 2.1.0"),
        ('MAIL FROM:<"al ice"@acme.example>', "250 2.1.0"),
        ("MAIL FROM:<al..ice.@acme.example>", "250 2.1.0"),
        ("RCPT TO:<bob@remote.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
    ],
)
async def test_each_command_gets_its_answer(client, line, answer):
    assert (await client.say(line)).startswith(answer + " ")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("RCPT TO:<bob>", "553 5.1.3"),
        ("RCPT TO:<>", "553 5.1.3"),
        ("RCPT TO:bob@remote.example", "501 5.5.4"),
        ("RCPT TO:<taro..suzuki.@docomo.example>", "250 2.1.5"),
        ("RCPT TO:<.hanako@docomo.example>", "250 2.1.5"),
        ("RCPT TO:<bob@docomo..example>", "553 5.1.3"),
        ("RCPT TO:<bob@remote.example> NOTIFY=NEVER", "250 2.1.5"),
        ("RCPT TO:<bob@remote.example> notify=Success,failure,DELAY ORCPT=rfc822;b+2Bob@x.example", "250 2.1.5"),
        ("RCPT TO:<bob@remote.example> ORCPT=utf-8;b\\x{F6}b@x.example", "250 2.1.5"),
        ("RCPT TO:<bob@remote.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> NOTIFY=SOMETIMES", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> NOTIFY=DELAY,", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> NOTIFY", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> ORCPT=bob@x.example", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> ORCPT=rfc822;b+xx", "501 5.5.4"),
        (f"RCPT TO:<bob@remote.example> ORCPT=rfc822;{'x' * 494}", "501 5.5.4"),
        ("RCPT TO:<bob@remote.example> RRVS=2020-01-01T00:00:00Z", "555 5.5.4"),
        ("RCPT TO:<böb@remote.example>", "553 5.6.7"),
        ("DATA", "554 5.5.1"),
        ("DATA now", "501 5.5.4"),
        ("MAIL FROM:<alice@acme.example>", "503 5.5.1"),
    ],
)
async def test_each_command_inside_a_mail_gets_its_answer(client, line, answer):
    await client.say("MAIL FROM:<alice@acme.example>")
    assert (await client.say(line)).startswith(answer + " ")


async def test_what_a_client_asks_to_hear_is_in_the_record(world, client):
    await client.say("MAIL FROM:<alice@acme.example> RET=hdrs ENVID=QQ314")
    await client.say("RCPT TO:<bob@remote.example> NOTIFY=success,FAILURE ORCPT=rfc822;bob@old.example")
    await client.say("RCPT TO:<eve@remote.example>")
    await client.say("RCPT TO:<bob@remote.example> NOTIFY=NEVER")  # a repeated one counts once
    assert (await client.data()).startswith("250 ")
    (stored,) = await world.records()
    envelope = stored.record.envelope
    assert (envelope.returns, envelope.envid, envelope.require_tls) == ("HDRS", "QQ314", False)
    options = RecipientOptions(
        recipient="bob@remote.example", notify=(Notify.SUCCESS, Notify.FAILURE), orcpt="rfc822;bob@old.example"
    )
    assert envelope.options == (options,)
    assert envelope.recipients == ("bob@remote.example", "eve@remote.example")


async def test_requiretls_is_offered_inside_tls_where_the_next_hop_takes_it(world, client):
    """RFC 8689 2. The client is known by its network, from its first mail on."""
    await client.start_tls(world.trust)
    await client.say("EHLO me")
    await client.mail()
    assert "REQUIRETLS" not in await client.say("EHLO me")
    at = world.policy.ballots[0].envelope.received_at
    await world.bus.events.append(RouteLearned(at=at, account="acme", host="mx.example:25", require_tls=True))

    async def offered() -> bool:
        return "250-REQUIRETLS" in await client.say("EHLO me")

    await eventually(offered)
    assert (await client.say("MAIL FROM:<alice@acme.example> REQUIRETLS=1")).startswith("501 ")
    assert (await client.say("MAIL FROM:<alice@acme.example> REQUIRETLS")).startswith("250 ")
    await client.say("RCPT TO:<bob@remote.example>")
    assert (await client.data()).startswith("250 ")
    *_, stored = await world.records()
    assert stored.record.envelope.require_tls


async def test_many_options_are_refused_one_by_one_before_the_record_is_too_large(world, client):
    await client.say("MAIL FROM:<alice@acme.example>")
    answers = []
    for number in range(100):
        orcpt = f"rfc822;{number}{'x' * 480}"
        answers.append(await client.say(f"RCPT TO:<r{number}@remote.example> NOTIFY=DELAY ORCPT={orcpt}"))
    assert {answer[:4] for answer in answers} == {"250 ", "452 "}
    assert (await client.data()).startswith("250 ")


async def test_internationalised_addresses_pass_with_smtputf8(world, client):
    assert (await client.say("MAIL FROM:<alice@acme.example> SMTPUTF8")).startswith("250 ")
    assert (await client.say("RCPT TO:<bøb@remote.example>")).startswith("250 ")
    assert (await client.data()).startswith("250 ")
    (stored,) = await world.records()
    assert stored.record.envelope.recipients == ("bøb@remote.example",)
    assert stored.record.envelope.smtputf8
    assert b"with UTF8SMTP id" in stored.body


async def test_declared_but_unneeded_smtputf8_is_not_needed(world, client):
    assert (await client.say("MAIL FROM:<alice@acme.example> SMTPUTF8 BODY=8BITMIME")).startswith("250 ")
    await client.say("RCPT TO:<bob@remote.example>")
    assert (await client.data()).startswith("250 ")
    (stored,) = await world.records()
    assert not stored.record.envelope.smtputf8
    assert not stored.record.envelope.eight_bit


async def test_what_the_route_cant_carry_is_refused_in_the_session(world, client):
    await client.mail()
    at = world.policy.ballots[0].envelope.received_at
    await world.bus.events.append(RouteLearned(at=at, account="acme", host="mx.example:25"))

    async def refused() -> bool:
        await client.say("RSET")
        await client.say("MAIL FROM:<alice@acme.example> SMTPUTF8")
        return (await client.say("RCPT TO:<bøb@remote.example>")).startswith("550 5.6.7 ")

    await eventually(refused)
    await client.say("RSET")
    await client.envelope()
    signed = b"From: a@acme.example\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe9\r\n--b--\r\n"
    assert (await client.data(signed)).startswith("554 5.6.3 ")
    await client.envelope()
    assert (await client.data(b"From: a@acme.example\r\n\r\n\xe9\r\n")).startswith("250 ")  # relay encodes it
    await client.envelope()
    assert (await client.data()).startswith("250 ")
