"""Each event of a mail is described in words; what a sentence leaves out stands in its details."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from varco_audit.trace.descriptions import describe
from varco_audit.trace.model import StepTone
from varco_common.events import (
    AccountClosed,
    AttachmentLinked,
    CopyBounced,
    CopyRemoved,
    Failure,
    HostFound,
    HostIgnored,
    Limit,
    LinkDownloaded,
    LinkExpired,
    LinkExtended,
    LinkRevoked,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailRecorded,
    MailReleased,
    MailRetryRequested,
    Meter,
    QuotaExceeded,
    QuotaNearlyReached,
    RemovalCause,
    Strike,
    StrikeCause,
    decode_event,
)
from varco_common.mail.notice_texts import Language
from varco_common.mail.record import MailConverted
from varco_common.testing import samples

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
MAIL = {"at": AT, "account": "acme", "mail": "m" * 20, "sequence": 1}
GOLDEN = Path(__file__).parents[3] / "libs/common/tests/events/golden"
LINK = {"at": AT, "account": "acme", "link": "f00d"}
FAILED = MAIL | {"failures": (Failure(recipient="bob@x.example", status="4.2.0", answer="450 later\n450 much"),)}
ALERT = {
    "at": AT,
    "account": "acme",
    "meter": Meter.MESSAGES,
    "limit": Limit(limit=500),
    "used": 450,
    "mail": "m" * 20,
}
STRIKE = Strike(sequence=1, at=AT, cause=StrikeCause.WRONG_CREDENTIALS, host="192.0.2.7")


def recorded(kind: str, record=None) -> MailRecorded:
    return MailRecorded(at=AT, sequence=7, kind=kind, stored_at=AT, record=record or samples.record())


def converted(links: int) -> MailConverted:
    record = samples.record()
    return MailConverted(
        envelope=record.envelope, body=record.body, original=1, links=tuple(str(number) for number in range(links))
    )


SENTENCES = pytest.mark.parametrize(
    ("event", "tone", "sentence"),
    [
        (recorded("accepted"), StepTone.GOOD, "accepted and kept"),
        (recorded("dsn"), StepTone.TOLD, "a notification to bob@partner.example was written"),
        (recorded("copy"), StepTone.TOLD, "a copy for bob@partner.example was written"),
        (recorded("converted", converted(1)), StepTone.GOOD, "rewritten: 1 attachment left as links"),
        (recorded("converted", converted(2)), StepTone.GOOD, "rewritten: 2 attachments left as links"),
        (
            MailDelivered(
                **MAIL, recipients=("a@x", "b@x", "c@x", "d@x", "e@x"), host="mx:25", answer="250", tls="TLSv1.3"
            ),
            StepTone.GOOD,
            "a@x, b@x, c@x and 2 more: delivered to mx:25 (TLSv1.3)",
        ),
        (
            MailDelivered(**MAIL, recipients=("a@x",), host="mx:25", answer="250", attempt=3),
            StepTone.GOOD,
            "a@x: delivered to mx:25, attempt 3",
        ),
        (
            MailDeferred(**FAILED, host="mx:25", sender="a", size=1, accepted_at=AT, next_at=AT + timedelta(minutes=5)),
            StepTone.WAITS,
            "not yet delivered: mx:25",
        ),
        (MailBounced(**FAILED, host=""), StepTone.BAD, "refused for good by the gate"),
        (MailExpired(**FAILED, host="mx:25", attempt=9), StepTone.BAD, "given up after 9 attempts"),
        (
            MailDropped(**MAIL, recipients=("a@x",)),
            StepTone.BAD,
            "taken out of the queue by hand, undelivered: a@x",
        ),
        (MailHeld(**MAIL), StepTone.TOLD, "held in the queue by hand"),
        (MailReleased(**MAIL), StepTone.TOLD, "released by hand"),
        (MailRetryRequested(**MAIL), StepTone.TOLD, "to be tried at once by hand"),
        (
            LinkDownloaded(**LINK, host="192.0.2.9", sent=99_999, complete=False),
            StepTone.GOOD,
            "the link was downloaded from 192.0.2.9 (99999 of it)",
        ),
        (LinkExtended(**LINK, expires_at=AT), StepTone.TOLD, "the link lives until 2026-11-02 09:00:00"),
        (LinkExpired(**LINK), StepTone.TOLD, "the link's time is over"),
        (LinkRevoked(**LINK), StepTone.TOLD, "the link was ended by hand"),
        (
            CopyBounced(at=AT, account="acme", mail="m", copy="c", address="boss@x", answer="550 no"),
            StepTone.BAD,
            "the copy for boss@x won't get there",
        ),
        (
            CopyRemoved(at=AT, account="acme", mails=("m",), cause=RemovalCause.CLIENT),
            StepTone.TOLD,
            "the copy in the mailbox was removed: a POP3 client deleted it",
        ),
        (
            QuotaNearlyReached(**ALERT, sender="alice@acme.example"),
            StepTone.WAITS,
            "quota nearly reached: 450 of 500 messages per 1 day",
        ),
        (QuotaExceeded(**ALERT, sender=""), StepTone.WAITS, "quota exceeded: 450 of 500 messages per 1 day"),
        (
            HostFound(at=AT, network="192.0.2.7", strike=STRIKE),
            StepTone.BAD,
            "a strike against host 192.0.2.7: wrong-credentials",
        ),
        (
            HostIgnored(at=AT, network="192.0.2.7", strike=STRIKE, ignored="192.0.2.0/28"),
            StepTone.TOLD,
            "no strike against host 192.0.2.7: 192.0.2.0/28 is ignored",
        ),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "at") else "",
)


@SENTENCES
def test_an_event_is_described_in_a_sentence(event, tone, sentence):
    assert describe(event, "")[:2] == (tone, sentence)


def test_what_the_next_hop_said_stands_in_the_details_line_by_line():
    later = MailDeferred(**FAILED, host="mx", sender="a", size=1, accepted_at=AT, next_at=AT + timedelta(minutes=5))
    assert describe(later, "")[2] == ("bob@x.example: “450 later / 450 much”", "next try at 2026-11-02 09:05:00")


@pytest.mark.parametrize(
    ("dsn", "owed"), [("d1", "the sender is owed notification d1"), ("", "nobody to notify: the null sender")]
)
def test_a_failure_tells_whether_the_sender_gets_a_notification(dsn, owed):
    assert describe(MailBounced(**FAILED, host="mx", dsn=dsn), "")[2][-1] == owed


def test_who_did_it_and_why_stand_in_the_details():
    by = {"by": "token:t1", "reason": "asked to"}
    assert describe(MailHeld(**MAIL, **by), "")[2] == ("token:t1", "asked to")
    assert describe(MailDropped(**MAIL, **by, recipients=("a@x",)), "")[2] == ("token:t1: asked to",)


def test_a_step_of_a_copy_says_so():
    delivered = MailDelivered(**MAIL, recipients=("a@x",), host="mx:25", answer="250")
    assert describe(delivered, "copy")[1] == "the copy: a@x: delivered to mx:25"


def test_a_linked_file_is_named_with_its_size_and_its_link():
    linked = AttachmentLinked(
        **LINK,
        mail="m",
        part="2",
        url="https://files/x",
        object="o",
        name="big.pdf",
        size=43_960_000,
        sha256="00",
        domain="acme.example",
        expires_at=AT,
    )
    _, sentence, details = describe(linked, "")
    assert sentence == '"big.pdf" (43.96 MB) became a link until 2026-11-02 09:00:00'
    assert details == ("link f00d", "sha256 00")


@pytest.mark.parametrize(
    "kind", ["attachment.linked", "link.downloaded", "link.extended", "link.expired", "link.revoked"]
)
def test_a_trace_tells_nobody_the_address_of_an_earlier_link(kind):
    event = decode_event((GOLDEN / f"{kind}.v1.json").read_bytes())
    assert "link e1eb3665..." in describe(event, "")[2]


def test_an_event_that_has_no_sentence_is_shown_by_its_name():
    assert describe(AccountClosed(at=AT, account="acme"), "") == (StepTone.TOLD, "account.closed.v1", ())


def test_why_it_was_this_next_hop_stands_in_the_details():
    route = "recipients @partner.example; mx1:25 passed over: connection refused"
    sent = MailDelivered(**MAIL, recipients=("a@partner.example",), host="mx2:25", answer="250 ok", route=route)
    assert describe(sent, "")[2][-1] == f"route: {route}"
    assert f"route: {route}" in describe(MailBounced(**FAILED, host="mx2:25", route=route), "")[2]


def test_how_a_mail_was_signed_stands_in_the_details_of_every_attempt():
    later = {"sender": "a", "size": 1, "accepted_at": AT, "next_at": AT}
    for event in (
        MailDelivered(**MAIL, recipients=("a@x",), host="mx:25", answer="250", dkim="unsigned: why"),
        MailDeferred(**FAILED, **later, host="mx:25", dkim="unsigned: why"),
        MailBounced(**FAILED, host="mx:25", dkim="unsigned: why"),
        MailExpired(**FAILED, host="mx:25", dkim="unsigned: why"),
    ):
        assert "unsigned: why" in describe(event, "")[2]


@SENTENCES
def test_each_sentence_is_there_in_italian_with_the_same_facts(event, tone, sentence):
    told, italian, details = describe(event, "", Language.IT)
    assert told is tone
    assert italian != sentence
    assert re.findall(r"[\w:.]+@[\w.]+|\d+", italian) == re.findall(r"[\w:.]+@[\w.]+|\d+", sentence)
    assert len(details) == len(describe(event, "")[2])


def test_a_notification_is_told_in_italian():
    delivered = MailDelivered(**MAIL, recipients=("a@x",), host="mx:25", answer="250 ok", attempt=2)
    sentence = "la notifica: a@x: consegnata a mx:25, tentativo 2"
    assert describe(delivered, "notification", Language.IT) == (StepTone.GOOD, sentence, ("“250 ok”",))


def test_every_sentence_has_both_languages_and_the_same_facts():
    for key, texts in tomllib.loads((files("varco_audit") / "trace" / "sentences.toml").read_text()).items():
        assert texts.keys() == {"en", "it"}, key
        english, italian = (sorted(re.findall(r"{\w+}", texts[language])) for language in ("en", "it"))
        assert english == italian, key
