"""Policy's vote, rule by rule."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from msgspec.structs import replace

from varco_common.events import (
    AttachmentExceptionRemoved,
    AttachmentsExcepted,
    Choice,
    CredentialDisabled,
    CredentialEnabled,
    FilelinkChosen,
    FilelinkWithdrawn,
    Language,
    Notice,
    Rules,
)
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest, Part, scan
from varco_policy.decide import ACCEPT, decide
from varco_policy.grant_responder import upload_limit
from varco_policy.model.account import Account
from varco_policy.model.account_projection import apply
from varco_policy.model.credential import Credential

AT = datetime(2026, 11, 2, tzinfo=UTC)
ACME = Account(
    name="acme",
    language=Language.EN,
    opened_at=AT,
    senders=dict.fromkeys(("@acme.example", "sales@partner.example", "@.shops.example"), AT),
)
ITALIAN = replace(ACME, language=Language.IT)
TEXT = Part(path="1", media_type="text/plain", start=90, end=100, size=10)
ZIP = Part(path="2", media_type="application/zip", start=90, end=100, size=10, names=("esempio.zip",))


def ballot(
    sender="alice@acme.example", *, authors=("alice@acme.example",), senders=(), parts=(TEXT,), defects=(), **envelope
):
    facts = {"recipients": ("bob@else.example",), "size": 1000, **envelope}
    return Ballot(
        envelope=Envelope(id="0" * 20, account="acme", sender=sender, host="192.0.2.7", received_at=AT, **facts),
        manifest=Manifest(parts=parts, authors=authors, senders=senders, defects=defects),
    )


@pytest.mark.parametrize(
    "fair",
    [
        ballot(),
        ballot("ALICE@Acme.Example"),
        ballot("sales@partner.example", authors=("x@a.shops.example",), senders=("alice@acme.example",)),
        ballot(""),  # a receipt
        ballot(authors=(), defects=("from-missing",)),
        ballot(recipients=("a@b.example",) * 100),
        ballot(size=20_000_000),
    ],
)
def test_a_fair_mail_is_accepted(fair):
    assert decide(fair, ACME) == ACCEPT


@pytest.mark.parametrize(
    ("forged", "seen"),
    [
        (ballot("boss@partner.example"), '"boss@partner.example" (MAIL FROM)'),
        (ballot(authors=("alice@acme.example", "boss@bank.example")), '"boss@bank.example" (From)'),
        (ballot(senders=("boss@bank.example",)), '"boss@bank.example" (Sender)'),
        (ballot("", authors=("boss@bank.example",)), '"boss@bank.example" (From)'),
        (ballot("", authors=()), '"<>" (MAIL FROM)'),
        (ballot("a@shops.example"), '"a@shops.example" (MAIL FROM)'),
        (ballot("acme.example"), '"acme.example" (MAIL FROM)'),
    ],
)
def test_a_sender_that_is_not_on_the_list_is_refused_and_named(forged, seen):
    vote = decide(forged, ACME)
    assert vote.reply is Reply.SENDER_NOT_AUTHORISED
    assert vote.text == f'Sender not authorised: {seen} is not among the senders of account "acme"'


@pytest.mark.parametrize("defect", ["from-unreadable", "header-without-colon", "scan-failed", "blank-before-colon"])
def test_what_leaves_the_author_open_is_refused_even_where_any_attachment_may_pass(defect):
    account = replace(ACME, rules=Rules(attachments=None))
    vote = decide(ballot(defects=(defect,)), account)
    assert (vote.reply, vote.reason) == (Reply.AMBIGUOUS_BODY, defect)


@pytest.mark.parametrize(("account", "words"), [(ACME, "a PGP block"), (ITALIAN, "un blocco PGP")])
def test_a_refused_pgp_block_is_called_that_and_no_attachment(account, words):
    mail = scan(b"From: alice@acme.example\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n")
    vote = decide(replace(ballot(), manifest=mail), account)
    assert vote.reply is Reply.FORBIDDEN_ATTACHMENT
    assert words in vote.text
    assert "attachment" not in vote.text
    assert "allegato" not in vote.text


@pytest.mark.parametrize("defect", ["two-types", "missing-end", "too-many-parts", "partial-message", "external-body"])
def test_what_could_hide_an_attachment_is_refused_with_its_name(defect):
    vote = decide(ballot(defects=(defect,)), ACME)
    assert vote.reply is Reply.AMBIGUOUS_BODY
    assert vote.text.endswith(f"could hide an attachment: {defect}")
    assert decide(ballot(defects=(defect,)), replace(ACME, rules=Rules(attachments=None))) == ACCEPT


def test_too_many_recipients_are_refused_for_now():
    vote = decide(ballot(recipients=("a@b.example",) * 101), ACME)
    assert (vote.reply, vote.text) == (Reply.TOO_MANY_RECIPIENTS, "Too many recipients: at most 100 for each message")


def test_a_mail_that_is_too_big_hears_the_limit_in_bytes():
    vote = decide(ballot(size=20_000_001), ITALIAN)
    assert vote.reply is Reply.TOO_BIG
    assert "il limite di dimensione globale (20000000 byte) del server." in vote.text.split("\n")


def test_a_forbidden_attachment_hears_the_notice_in_the_account_s_language():
    vote = decide(ballot(parts=(TEXT, ZIP)), ITALIAN)
    assert vote.reply is Reply.FORBIDDEN_ATTACHMENT
    assert vote.text.split("\n")[:2] == [
        'L\'allegato "esempio.zip"',
        "ha violato la politica di sicurezza della vostra azienda.",
    ]
    assert "'esempio.zip'" in vote.reason


def test_an_account_s_own_words_are_used():
    own = replace(ITALIAN, notices={Notice.ATTACHMENT: {Language.IT: "Niente {name}, città!", Language.EN: "No"}})
    assert decide(ballot(parts=(ZIP,)), own).text == "Niente esempio.zip, citta'!"
    assert decide(ballot(parts=(ZIP,), smtputf8=True), own).text == "Niente esempio.zip, città!"


def test_the_sender_is_judged_before_the_attachments():
    assert decide(ballot("x@else.example", parts=(ZIP,)), ACME).reply is Reply.SENDER_NOT_AUTHORISED


def test_an_account_that_is_not_open_may_send_nothing():
    assert decide(ballot(), None).reply is Reply.NOT_AUTHENTICATED


def test_a_real_mail_with_a_renamed_program_is_refused():
    body = (
        b"From: alice@acme.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
        b"--x\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n--x--\r\n"
    )
    vote = decide(Ballot(envelope=ballot().envelope, manifest=scan(body)), ACME)
    assert (vote.reply, vote.reason) == (Reply.FORBIDDEN_ATTACHMENT, "'a.pdf' its content is exe")


def test_a_plain_mail_is_decided_in_no_time():
    many = replace(ACME, senders={f"user{n}@acme.example": AT for n in range(10_000)} | ACME.senders)
    plain = ballot("user9999@acme.example", authors=("user9999@acme.example",))
    started = perf_counter()
    for _ in range(1000):
        decide(plain, many)
    assert perf_counter() - started < 0.1  # 100 us each, with room for a busy machine: some 5 are usual


def test_a_session_does_not_outlive_its_login():
    alice = Credential(login="alice", name="Alice", hash="x", origin="x", added_at=AT, changed_at=AT)
    account = replace(ACME, credentials={"alice": alice})
    assert decide(ballot(login="Alice"), account) == ACCEPT
    assert decide(ballot(login="alice"), ACME).reply is Reply.NOT_AUTHENTICATED


HEAVY = Part(
    path="2",
    media_type="application/pdf",
    start=500,
    end=60_000_500,
    size=43_000_000,
    names=("a.pdf",),
    encoding="base64",
)


def test_a_mail_is_weighed_as_it_will_leave():
    big = ballot(size=60_001_000, parts=(TEXT, HEAVY))
    linking = replace(ACME, links_over=10_000_000)
    assert decide(big, ACME).reply is Reply.TOO_BIG
    assert decide(big, linking) == replace(ACCEPT, counts_on=(HEAVY.path,))
    assert decide(ballot(size=10_000, parts=(TEXT, HEAVY)), linking) == ACCEPT
    assert decide(big, replace(ACME, links_over=50_000_000)).reply is Reply.TOO_BIG
    assert decide(replace(big, manifest=replace(big.manifest, parts=(TEXT,))), linking).reply is Reply.TOO_BIG


@pytest.mark.parametrize(("account", "words"), [(ACME, "can't become links"), (ITALIAN, "non possono diventare link")])
def test_a_signed_mail_is_weighed_whole_and_its_sender_told_why(account, words):
    big = ballot(size=60_001_000, parts=(TEXT, HEAVY))
    signed = replace(big, manifest=replace(big.manifest, signed=True))
    vote = decide(signed, replace(account, links_over=10_000_000))
    assert vote.reply is Reply.TOO_BIG
    assert words in vote.text
    assert vote.reason.endswith("it can't be given links: signed")


def test_more_may_be_uploaded_than_may_leave_where_attachments_become_links():
    assert upload_limit(ACME) == ACME.rules.max_size
    assert upload_limit(replace(ACME, links_over=10_000_000)) > 60_000_000


def test_the_links_threshold_is_folded_from_filelinks_events():
    chosen = apply(ACME, FilelinkChosen(at=AT, account="acme", over=5_000_000, keep_seconds=60))
    assert chosen is not None
    assert chosen.links_over == 5_000_000
    off = apply(chosen, FilelinkWithdrawn(at=AT, account="acme"))
    assert off is not None
    assert off.links_over == 0


def real(*header: bytes, sender="alice@acme.example") -> Ballot:
    return Ballot(envelope=ballot(sender).envelope, manifest=scan(b"\r\n".join(header) + b"\r\n\r\nHello\r\n"))


@pytest.mark.parametrize(
    "field",
    [
        b"From: Alice Rossi alice@acme.example",
        b"From: Rossi, Alice <alice@acme.example>",
        b'From: "Rossi <boss@bank.example>',
        b"From: Rossi, Alice <boss@bank.example>",
        b"From: <boss@bank.example> <alice@acme.example>",
        b"From:",
        b"From: alice@acme.example\r\nSender: Alice Rossi alice@acme.example",
    ],
)
def test_an_unreadable_from_is_told_how_it_must_look_and_is_no_strike(field):
    for sender in ("alice@acme.example", ""):
        vote = decide(real(field, sender=sender), ACME)
        assert vote.reply is Reply.AMBIGUOUS_BODY, "the only strike of a sender is sender-not-authorised"
        assert "From: Alice Rossi <alice@example.com>" in vote.text
        assert "attachment" not in vote.text
        assert "allegato" not in decide(real(field, sender=sender), ITALIAN).text


@pytest.mark.parametrize("name", [b"ceo@bank.example", b'"ceo@bank.example"', b"=?utf-8?q?ceo=40bank=2Eexample?="])
def test_a_name_that_holds_a_foreign_address_is_refused_unless_the_account_allows_it(name):
    forged = real(b"From: " + name + b" <alice@acme.example>")
    vote = decide(forged, ACME)
    assert vote.reply is Reply.MISLEADING_NAME
    assert '"ceo@bank.example"' in vote.text
    assert decide(forged, replace(ACME, rules=Rules(display_addresses=Choice.ACCEPT))) == ACCEPT


@pytest.mark.parametrize("name", [b"alice@acme.example", b'"Sales@Partner.example"', b"b@a.shops.example"])
def test_a_name_may_hold_an_address_that_the_account_may_send_as(name):
    assert decide(real(b"From: " + name + b" <alice@acme.example>"), ACME) == ACCEPT


def with_exception(pattern="cad@acme.example", attachments=("zip",), until=None, account=ACME):
    event = AttachmentsExcepted(at=AT, account="acme", pattern=pattern, attachments=attachments, until=until)
    return apply(account, event)


@pytest.mark.parametrize(
    ("sender", "account", "reply"),
    [
        ("cad@acme.example", with_exception(), Reply.ACCEPTED),
        ("CAD@acme.example", with_exception(), Reply.ACCEPTED),
        ("alice@acme.example", with_exception(), Reply.FORBIDDEN_ATTACHMENT),
        ("alice@acme.example", with_exception("@acme.example"), Reply.ACCEPTED),
        ("cad@acme.example", with_exception("@acme.example", account=with_exception(attachments=("dwg",))), None),
        ("cad@acme.example", with_exception(attachments=None), Reply.ACCEPTED),
        ("cad@acme.example", with_exception(until=AT), Reply.FORBIDDEN_ATTACHMENT),
        ("cad@acme.example", with_exception(until=AT + timedelta(seconds=1)), Reply.ACCEPTED),
        ("", with_exception(), Reply.FORBIDDEN_ATTACHMENT),
        (
            "cad@acme.example",
            apply(with_exception(), AttachmentExceptionRemoved(at=AT, account="acme", pattern="cad@acme.example")),
            Reply.FORBIDDEN_ATTACHMENT,
        ),
    ],
    ids=["its own", "any case", "others", "domain", "narrowest", "any", "ended", "not yet", "null sender", "removed"],
)
def test_an_exception_lets_its_senders_attach_more_until_its_end(sender, account, reply):
    vote = decide(ballot(sender, parts=(TEXT, ZIP)), account)
    assert vote.reply is (reply or Reply.FORBIDDEN_ATTACHMENT)


def test_what_an_exception_allows_comes_to_what_the_account_allows():
    pdf = replace(ZIP, media_type="application/pdf", names=("a.pdf",))
    assert decide(ballot("cad@acme.example", parts=(TEXT, pdf, ZIP)), with_exception()) == ACCEPT


def test_a_disabled_login_sends_nothing_in_an_open_session():
    credential = Credential(login="alice", name="alice", hash="h", origin="o", added_at=AT, changed_at=AT)
    account = replace(ACME, credentials={"alice": credential})
    assert decide(ballot(login="alice"), account) == ACCEPT
    disabled = apply(account, CredentialDisabled(at=AT, account="acme", login="alice"))
    assert decide(ballot(login="Alice"), disabled).reply is Reply.NOT_AUTHENTICATED
    assert (
        decide(ballot(login="alice"), apply(disabled, CredentialEnabled(at=AT, account="acme", login="alice")))
        == ACCEPT
    )
