"""What a DSN says, and that any mail client can read it."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from varco_common.events import Failure, Language
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.envelope import Envelope
from varco_common.mail.notice_texts import Notice
from varco_common.mail.notices import wrong_with
from varco_relay.dsn import DsnContent, compose, headers_of

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def failure(recipient: str, status: str, answer: str) -> Failure:
    return Failure(recipient=recipient, status=status, answer=answer)


def envelope(sender="alice@acme.example", recipients=("bob@x.example", "eve@x.example"), age=timedelta()) -> Envelope:
    return Envelope(
        id="m1", account="acme", sender=sender, recipients=recipients, host="192.0.2.1", received_at=NOW - age
    )


HEADERS = b"Subject: hi\r\n..dotted: x\r\nFrom: alice@acme.example\r\n\r\nbody\r\n"


def content(**more) -> DsnContent:
    facts = {
        "id": "d1",
        "reporter": "gate.example",
        "host": "mx.x.example:25",
        "envelope": envelope(),
        "failures": (
            failure("bob@x.example", "5.1.1", "550 5.1.1 no such user"),
            failure("eve@x.example", "5.0.0", "550 " + "go away " * 40),
        ),
        "headers": headers_of(HEADERS),
        "now": NOW,
    }
    return DsnContent(**facts | more)


def unstuffed(body: bytes) -> bytes:
    plain = body.replace(b"\r\n..", b"\r\n.")
    return plain[1:] if plain.startswith(b".") else plain


def test_a_notification_is_what_rfc_3464_says():
    body = compose(content())
    message = message_from_bytes(unstuffed(body), policy=SMTP)
    assert message.defects == []
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "alice@acme.example"
    assert message["Auto-Submitted"] == "auto-replied"
    text, status, original = message.iter_parts()
    assert "bob@x.example" in text.get_content()
    assert "could not be delivered" in text.get_content()
    assert "non è stato consegnato" in text.get_content()
    blocks = status.get_payload()
    assert blocks[0]["Reporting-MTA"] == "dns; gate.example"
    assert blocks[1]["Final-Recipient"] == "rfc822; bob@x.example"
    assert blocks[1]["Original-Recipient"] == "rfc822; bob@x.example"
    assert (blocks[1]["Action"], blocks[1]["Status"]) == ("failed", "5.1.1")
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert blocks[1]["Remote-MTA"] == "dns; mx.x.example"
    assert blocks[2]["Final-Recipient"] == "rfc822; eve@x.example"
    assert len(blocks) == 3
    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload().splitlines()[:2] == ["Subject: hi", ".dotted: x"]
    assert "body" not in original.get_payload()


@pytest.mark.parametrize(
    ("language", "subject", "words", "others"),
    [
        (Language.IT, "Messaggio non consegnato", "non è stato consegnato", "could not be"),
        (Language.EN, "Undelivered mail", "could not be delivered", "consegnato"),
    ],
)
def test_the_text_is_in_the_language_of_the_account(language, subject, words, others):
    body = compose(content(texts=AccountTexts(languages=(language,))))
    assert body.isascii()  # every next hop can carry it
    message = message_from_bytes(unstuffed(body), policy=SMTP)
    text = next(message.iter_parts()).get_content()
    assert message["Subject"] == subject
    assert words in text
    assert others not in text
    assert "<bob@x.example>\n    550 5.1.1 no such user" in text.replace("\r\n", "\n")


OWN = AccountTexts(
    languages=(Language.IT, Language.EN),
    time_zone="Europe/Rome",
    notices={
        Notice.BOUNCE: {Language.IT: "Il messaggio del {sent} non è partito.\nChiamare il 118."},
        Notice.BOUNCE_SUBJECT: {Language.IT: "Perché è tornato \u2013 " + "così " * 30},
    },
)


def test_the_words_the_languages_and_the_time_zone_are_the_accounts():
    body = compose(content(texts=OWN))
    assert body.isascii()
    assert max(map(len, unstuffed(body).partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998
    message = message_from_bytes(unstuffed(body), policy=SMTP)
    assert message.defects == []
    assert message["Subject"].startswith("Perché è tornato \u2013 così così")
    assert message["Subject"].endswith(" / Undelivered mail")
    assert message["Date"].endswith("+0100")
    text = next(message.iter_parts()).get_content().replace("\r\n", "\n")
    italian, _, english = text.partition("Your mail m1 of 24 November 2026, 10:00 (+0100) could not be delivered")
    assert italian == "Il messaggio del 24 novembre 2026, 10:00 (+0100) non è partito.\nChiamare il 118.\n\n"
    assert english


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # most texts are refused before they are stored
@given(st.sampled_from([Notice.BOUNCE, Notice.BOUNCE_SUBJECT]), st.text(max_size=400), st.booleans())
def test_no_own_text_adds_a_field_or_a_part(kind, text, eight_bit):
    assume(not wrong_with(kind, text))
    texts = AccountTexts(notices={kind: {Language.EN: text}})
    sender = "àlice@acme.example" if eight_bit else "alice@acme.example"
    message = message_from_bytes(unstuffed(compose(content(texts=texts, envelope=envelope(sender)))))
    plain = message_from_bytes(unstuffed(compose(content(texts=AccountTexts(), envelope=envelope(sender)))))
    assert message.keys() == plain.keys()
    assert len(message.get_payload()) == 3
    assert [part.keys() for part in message.get_payload()[1:]] == [part.keys() for part in plain.get_payload()[1:]]


def test_a_status_that_ran_out_of_time_is_a_permanent_one():
    expired = compose(content(expired=True, envelope=envelope(age=timedelta(days=5)))).decode()
    assert "Status: 5.4.7" in expired
    assert "was tried for 5 day(s)" in expired
    assert "Status: 4." not in expired


def test_what_the_gate_itself_refused_names_no_remote_server():
    """RFC 3464 2.3.5, 2.3.6."""
    own = Failure(recipient="bob@x.example", status="5.4.6", answer="554 5.4.6 it goes round", by_gate=True)
    message = message_from_bytes(unstuffed(compose(content(host="", failures=(own,)))), policy=SMTP)
    text, status, _ = message.iter_parts()
    assert "(this gate) 554 5.4.6 it goes round" in text.get_content()
    block = status.get_payload()[1]
    assert block["Remote-MTA"] is None
    assert block["Diagnostic-Code"] == "x-varco; 554 5.4.6 it goes round"


@given(st.text(), st.binary(), st.binary(max_size=200))
def test_a_notification_is_ascii_in_short_lines_whatever_was_said(answer, headers, more):
    said = (failure("bob@x.example", "5.0.0", answer),)
    body = compose(content(failures=said, headers=headers_of(b"X: " + more.hex().encode() + b"\r\n\r\n" + headers)))
    assert body.isascii()
    assert b"\r\n.\r\n" not in b"\r\n" + body
    assert body.endswith(b"\r\n")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert max(map(len, body.split(b"\r\n"))) <= 998


def test_an_internationalised_notification_takes_the_global_forms():
    """RFC 6533 3."""
    body = compose(content(envelope=envelope("àlice@acme.example"))).decode()
    assert "report-type=global-delivery-status" in body
    assert "message/global-delivery-status" in body
    assert "message/global-headers" in body
    assert "Final-Recipient: utf-8; bob@x.example" in body
