"""RFC 3461 and RFC 8689: what clients ask for is passed on, and obeyed by the gate's own DSNs."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP

import pytest

from varco_common.events import MailBounced, MailDeferred, MailDelivered, SenderNotified, TlsUse
from varco_common.mail.delivery_options import Notify, RecipientOptions, Return, decode_xtext
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import NextHop

from .pools import Pools, codes, lines, mail

BOB, EVE = "bob@x.example", "eve@x.example"
OPTIONS = (RecipientOptions(recipient=BOB, notify=(Notify.SUCCESS, Notify.DELAY), orcpt="rfc822;b+2Bob@old.example"),)
ASKED = {"returns": Return.FULL, "envid": "QQ+2B314", "options": OPTIONS}
NOBODY = "550 5.1.1 no such user"


# Passed on


@pytest.mark.parametrize("offered", [True, False])
async def test_options_are_passed_on_where_the_next_hop_offers_dsn(gate, hop: NextHop, offered):
    hop.dsn = offered
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail(BOB, EVE, **ASKED)
        (received,) = await hop.got(1)
    passed = {parameter for parameter in received.parameters if parameter.startswith(("RET", "ENVID"))}
    assert passed == ({"RET=FULL", "ENVID=QQ+2B314"} if offered else set())
    bob = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bob@old.example"
    assert received.asked == ({BOB: bob, EVE: ""} if offered else {BOB: "", EVE: ""})


# The gate's own DSNs


async def dsn_of(gate, hop: NextHop, *recipients: str, body: bytes = b"Subject: hi\r\n\r\nwhole\r\n", **asked):
    """The DSN for a mail of which every recipient is refused."""
    await gate.account()
    await gate.route(hop)
    for recipient in recipients:
        hop.answer(recipient, NOBODY)
    async with gate.relay():
        await gate.mail(*recipients, body=body, **asked)
        (received,) = await hop.got(1)
    return received, message_from_bytes(received.content, policy=SMTP)


async def test_original_recipient_and_envelope_id_come_back(gate, hop: NextHop):
    options = (RecipientOptions(recipient=BOB, orcpt="rfc822;b+2Bob@old.example"),)
    _, dsn = await dsn_of(gate, hop, BOB, envid="QQ+2B314", options=options)
    of_mail, of_bob = list(dsn.iter_parts())[1].get_payload()
    assert of_mail["Original-Envelope-Id"] == "QQ+314"
    assert of_bob["Original-Recipient"] == "rfc822; b+ob@old.example"
    assert of_bob["Final-Recipient"] == f"rfc822; {BOB}"


@pytest.mark.parametrize("body", [b"Subject: hi\r\n\r\n..whole\r\n", "Subject: hi\r\n\r\nperché\r\n".encode()])
async def test_ret_full_brings_the_whole_mail_back(gate, hop: NextHop, body):
    received, dsn = await dsn_of(gate, hop, BOB, body=body, returns=Return.FULL)
    original = list(dsn.iter_parts())[2]
    assert original.get_content_type() == "message/rfc822"
    assert body.replace(b"\r\n..", b"\r\n.") in received.content
    assert ("BODY=8BITMIME" in received.parameters) == (not body.isascii())


@pytest.mark.parametrize("returns", [None, Return.HDRS])
async def test_without_ret_full_only_the_header_comes_back(gate, hop: NextHop, returns):
    received, dsn = await dsn_of(gate, hop, BOB, returns=returns)
    assert list(dsn.iter_parts())[2].get_content_type() == "text/rfc822-headers"
    assert b"whole" not in received.content


async def test_a_sender_who_wants_no_dsn_gets_none(gate, hop: NextHop):
    await gate.account()
    await gate.route(hop)
    for recipient in (BOB, EVE, "joe@x.example"):
        hop.answer(recipient, NOBODY)
    async with gate.relay():
        options = tuple(
            RecipientOptions(recipient=who, notify=(when,))
            for who, when in ((BOB, Notify.NEVER), (EVE, Notify.SUCCESS))
        )
        await gate.mail(BOB, EVE, options=options)
        (event,) = await gate.facts.until(MailBounced)
        assert event.dsn == ""
        await gate.mail("joe@x.example")
        (received,) = await hop.got(1)
        await gate.facts.until(SenderNotified)
    assert b"joe@x.example" in received.content
    assert len(gate.facts.of(SenderNotified)) == 1


async def test_a_dsn_names_only_those_of_whom_the_sender_wants_to_hear(gate, hop: NextHop):
    options = (RecipientOptions(recipient=BOB, notify=(Notify.NEVER,)),)
    received, _ = await dsn_of(gate, hop, BOB, EVE, options=options)
    assert EVE.encode() in received.content
    assert BOB.encode() not in received.content


def test_an_option_that_cannot_be_printed_stays_on_its_line():
    assert decode_xtext("a+0D+0AX-Evil:+20b") == "a??X-Evil: b"


# REQUIRETLS


async def test_mail_that_requires_tls_travels_over_verified_tls_with_the_word(hop: NextHop, pools: Pools, tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop.context, hop.require_tls = certificate.server, True
    pool = pools.to(hop, tls=TlsUse.REQUIRED, trust=certificate.certificate)
    assert await codes(pool, mail(require_tls=True)) == {BOB: 250}
    assert await codes(pool, mail()) == {BOB: 250}
    assert ["REQUIRETLS" in received.parameters for received in hop.received] == [True, False]


@pytest.mark.parametrize(
    ("tls", "encrypted", "offered"),
    [
        (TlsUse.OPPORTUNISTIC, True, True),  # nobody verified the certificate
        (TlsUse.OPPORTUNISTIC, False, True),
        (TlsUse.NONE, True, True),
        (TlsUse.REQUIRED, True, False),
    ],
)
async def test_mail_that_requires_tls_leaves_no_other_way(hop, pools: Pools, tmp_path, tls, encrypted, offered):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop.context, hop.require_tls = certificate.server if encrypted else None, offered
    refused = await lines(pools.to(hop, tls=tls, trust=certificate.certificate), mail(require_tls=True))
    assert refused == {BOB: "550 5.7.30 REQUIRETLS support required: the next hop doesn't offer it over verified TLS"}
    assert not any(line.startswith("MAIL") for line in hop.commands)


async def test_the_dsn_of_such_a_mail_requires_tls_and_has_no_content(gate, hop: NextHop):
    """RFC 8689 5. Here it cannot be delivered either, and so nobody reads it."""
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        lost = await gate.mail(BOB, require_tls=True, returns=Return.FULL, body=b"Subject: hi\r\n\r\nsecret\r\n")
        bounced = await gate.facts.until(MailBounced, 2)
    assert bounced[0].mail == lost
    assert bounced[1].mail == bounced[0].dsn
    assert [failure.status for event in bounced for failure in event.failures] == ["5.7.30", "5.7.30"]
    assert hop.received == []


# Success and delay


def wants(when: Notify, *recipients: str) -> tuple[RecipientOptions, ...]:
    return tuple(RecipientOptions(recipient=recipient, notify=(when,)) for recipient in recipients)


def told(received) -> tuple[str | None, str | None, str | None]:
    """Action, status and recipient of a DSN about one recipient."""
    _, status, _ = message_from_bytes(received.content, policy=SMTP).iter_parts()
    _, recipient = status.get_payload()
    return recipient["Action"], recipient["Status"], recipient["Final-Recipient"]


async def test_who_asks_for_success_hears_that_the_mail_was_relayed(gate, hop: NextHop):
    """RFC 3461 5.2.2: the next hop offers no DSN, and so nobody else would tell."""
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        sent = await gate.mail(BOB, EVE, options=wants(Notify.SUCCESS, BOB), returns=Return.FULL)
        (delivered,) = await gate.facts.until(MailDelivered, mail=sent)
        (notified,) = await gate.facts.until(SenderNotified)
        _, dsn = await hop.got(2)
    assert delivered.dsn == notified.dsn
    assert told(dsn) == ("relayed", "2.0.0", f"rfc822; {BOB}")
    assert b"message/rfc822" not in dsn.content  # RFC 3461 4.3: a whole mail comes back only if it failed
    assert dsn.recipients == ("alice@acme.example",)


async def test_a_next_hop_with_dsn_tells_of_success_itself(gate, hop: NextHop):
    hop.dsn = True
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail(BOB, options=wants(Notify.SUCCESS, BOB))
        (delivered,) = await gate.facts.until(MailDelivered)
    assert delivered.dsn == ""


async def test_who_asks_for_delay_hears_of_it_once(gate, hop: NextHop):
    await gate.account()
    await gate.route(hop)
    hop.answer(BOB, *["450 4.2.1 busy"] * 3)
    async with gate.relay():
        sent = await gate.mail(BOB, age=timedelta(hours=5), options=wants(Notify.DELAY, BOB))
        await gate.facts.until(MailDelivered, mail=sent)
        await gate.facts.until(SenderNotified)
        received = await hop.got(2)
    (dsn,) = [mail for mail in received if not mail.sender]
    assert told(dsn) == ("delayed", "4.2.1", f"rfc822; {BOB}")
    assert len(gate.facts.of(SenderNotified)) == 1
    assert len([event for event in gate.facts.of(MailDeferred, sent) if event.dsn]) == 1


@pytest.mark.parametrize(("age", "when"), [(timedelta(hours=3), Notify.DELAY), (timedelta(hours=5), Notify.FAILURE)])
async def test_nobody_else_hears_of_a_delay(gate, hop: NextHop, age, when):
    await gate.account()
    await gate.route(hop)
    hop.answer(BOB, "450 4.2.1 busy")
    async with gate.relay():
        sent = await gate.mail(BOB, age=age, options=wants(when, BOB))
        await gate.facts.until(MailDelivered, mail=sent)
    assert not any(event.dsn for event in gate.facts.of(MailDeferred))


async def test_a_restart_between_delivery_and_dsn_loses_no_dsn_and_sends_none_twice(gate, hop: NextHop):
    await gate.account()
    await gate.route(hop)
    delivered = MailDelivered(
        at=gate.now(), account="acme", mail="m1", sequence=1, recipients=(BOB,), host="mx:25", answer="250 ok", dsn="d1"
    )
    assert delivered.subject.endswith("mail-delivered-later.acme")
    async with gate.relay():
        sent = await gate.mail(BOB, options=wants(Notify.SUCCESS, BOB))
        await gate.facts.until(MailDelivered, mail=sent)
    async with gate.relay():
        await gate.facts.until(SenderNotified)
        await hop.got(2)
    assert len([mail for mail in hop.received if not mail.sender]) == 1
