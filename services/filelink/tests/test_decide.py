"""What filelink votes, and what policy weighs by the same rule."""

from datetime import UTC, datetime

import pytest

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    Choice,
    FilelinkChosen,
    FilelinkWithdrawn,
    Language,
)
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.link_eligibility import convertible, leaving_size
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_common.mime import scan
from varco_filelink.decide import ACCEPT, decide
from varco_filelink.model.account_settings import LinkSettings, apply

from . import layouts

AT = datetime(2026, 11, 24, tzinfo=UTC)
ITALIAN = AccountTexts(languages=(Language.IT,))
TERMS = LinkSettings(account="acme", over=10_000, keep_seconds=3600)
SIGNED = layouts.mail(
    layouts.multi(
        "signed; protocol=application/pkcs7-signature; micalg=sha-256",
        "s",
        layouts.multi("mixed", "m", layouts.text(), layouts.pdf()),
        layouts.part("application/pkcs7-signature; name=smime.p7s", b"x" * 30),
    )
)
OPAQUE = layouts.mail(layouts.part("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"x" * 40_000))


def ballot(wire: bytes) -> Ballot:
    envelope = Envelope(
        id="m", account="acme", sender="a@acme.example", recipients=("b@x",), host="::1", received_at=AT, size=len(wire)
    )
    return Ballot(envelope=envelope, manifest=scan(wire))


@pytest.mark.parametrize("client", layouts.LAYOUTS)
def test_a_heavy_attachment_is_named(client):
    vote = decide(ballot(layouts.LAYOUTS[client]), TERMS, ITALIAN)
    parts = {part.path: part for part in scan(layouts.LAYOUTS[client]).parts}
    assert vote.reply is Reply.ACCEPTED
    assert [parts[path].names for path in vote.convert] == [("offerta.pdf",)]


def test_nothing_is_named_where_it_is_off_or_light():
    wire = layouts.GMAIL
    assert decide(ballot(wire), None, ITALIAN) is ACCEPT
    assert decide(ballot(wire), LinkSettings(account="acme"), ITALIAN) is ACCEPT
    assert decide(ballot(wire), LinkSettings(account="acme", over=len(layouts.PDF)), ITALIAN) is ACCEPT


def test_an_image_of_the_html_and_the_text_itself_stay():
    big = layouts.part("image/png", bytes(30_000), Content_ID="<i>", Content_Disposition="inline; filename=i.png")
    wire = layouts.mail(layouts.multi("related", "r", layouts.html(content="<p>" + "x " * 20_000), big))
    assert decide(ballot(wire), TERMS, ITALIAN) is ACCEPT


def test_an_attached_mail_is_one_attachment():
    inner = layouts.part("message/rfc822", layouts.GMAIL, "7bit")
    wire = layouts.mail(layouts.multi("mixed", "m", layouts.text(), inner))
    assert decide(ballot(wire), TERMS, ITALIAN).convert == ("2",)


@pytest.mark.parametrize(("wire", "why"), [(SIGNED, "signed"), (OPAQUE, "encrypted")])
def test_what_cant_be_rewritten_goes_as_it_is_or_is_refused_saying_why(wire, why):
    sent = decide(ballot(wire), TERMS, ITALIAN)
    assert (sent.reply, sent.convert, sent.reason) == (Reply.ACCEPTED, (), f"not rewritten: {why}")
    strict = LinkSettings(account="acme", over=10_000, keep_seconds=1, signed=Choice.REFUSE)
    refused = decide(ballot(wire), strict, AccountTexts(languages=(Language.EN, Language.IT)))
    assert refused.reply is Reply.TOO_BIG
    assert refused.text.index(f"the message is {why}") < refused.text.index("il messaggio e' ")
    own = AccountTexts(notices={Notice.SIGNED: {Language.EN: "{why}: {name}"}})
    assert decide(ballot(wire), strict, own).text.startswith(f"{why}: ")
    assert leaving_size(len(wire), scan(wire), 10_000) == len(wire)


def test_an_ambiguous_mail_is_never_rewritten():
    wire = layouts.GMAIL.removesuffix(b"--000000000000f1--\r\n")
    assert scan(wire).defects
    assert not convertible(scan(wire), 10_000)
    assert decide(ballot(wire), TERMS, ITALIAN).convert == ()


def test_a_mail_weighs_what_it_will_leave_with():
    assert leaving_size(len(layouts.GMAIL), scan(layouts.GMAIL), 10_000) < 3_500
    assert leaving_size(len(layouts.GMAIL), scan(layouts.GMAIL), 100_000) == len(layouts.GMAIL)


def test_terms_are_folded_from_events():
    opened = apply(None, AccountOpened(at=AT, account="acme", language=Language.EN))
    assert opened == LinkSettings(account="acme")
    assert apply(None, FilelinkChosen(at=AT, account="acme", over=1, keep_seconds=1)) is None
    chosen = apply(opened, FilelinkChosen(at=AT, account="acme", over=5, keep_seconds=60, base_url="http://f.example"))
    assert chosen is not None
    assert chosen == LinkSettings(account="acme", over=5, keep_seconds=60, base_url="http://f.example")
    off = apply(chosen, FilelinkWithdrawn(at=AT, account="acme"))
    assert off is not None
    assert off.over == 0
    assert off.keep.days == 365
    assert apply(off, AccountClosed(at=AT, account="acme")) is None
