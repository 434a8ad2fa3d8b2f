"""The pure core: replies, plans, delays, routes, the queue's folding, notifications."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.events import (
    AccountOpened,
    Blackhole,
    Failure,
    Language,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    RouteFailed,
    RouteRecovered,
    RouteRemoved,
    RouteSet,
    SenderNotified,
    Smarthost,
    TlsUse,
)
from varco_common.mail.envelope import Envelope
from varco_relay.commands import By, remove_route, set_route, wish
from varco_relay.decide.outcome import DeliveryStatus, RetrySchedule, delivery_status, next_attempt, outcome_of
from varco_relay.dsn import DsnContent, compose, headers_of
from varco_relay.model import account_route, queue
from varco_relay.outgoing_message import OutgoingMessage, undelivered_events
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.smtp_reply import NotSmtp, ReplyReader, SmtpReply
from varco_relay.smtp.target import SmtpTarget, backoff, format_smarthost, parse_smarthost
from varco_relay.smtp.transaction import parse_capabilities

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


# what a next hop says


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (SmtpReply(250, "2.1.5 ok"), "2.1.5"),
        (SmtpReply(550, "5.1.1 no such user"), "5.1.1"),
        (SmtpReply(550, "no such user"), "5.0.0"),
        (SmtpReply(450, "5.1.1 contradicts its code"), "4.0.0"),
        (SmtpReply(550, "5.1.1"), "5.1.1"),
        (SmtpReply(550, "5.1.1.1 is no code"), "5.0.0"),
        (SmtpReply(0, "timed out"), "4.4.2"),
        (SmtpReply(0, "4.3.0 the body can't be read"), "4.3.0"),
    ],
)
def test_the_enhanced_code_is_the_next_hops_where_it_fits(said, status):
    assert said.status == status


@given(st.lists(st.binary(min_size=1, max_size=7), max_size=40))
def test_a_reply_may_arrive_in_any_pieces(noise):
    whole = b"250-one\r\n250-two\r\n250 three\r\n550 5.1.1 no\r\n354\r\n"
    reader, found = ReplyReader(), []
    at = 0
    for piece in noise:
        found += reader.feed(whole[at : at + len(piece)])
        at += len(piece)
    found += reader.feed(whole[at:])
    assert found == [SmtpReply(250, "one\ntwo\nthree"), SmtpReply(550, "5.1.1 no"), SmtpReply(354, "")]


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"99 x\r\n", b"x" * 5_000, b"250-a\r\n" * 200, b"600 x\r\n", b"250_x\r\n"]
)
def test_what_isnt_smtp_is_not_read_for_ever(data):
    with pytest.raises(NotSmtp):
        ReplyReader().feed(data)


@given(st.binary())
def test_no_bytes_break_the_reader(data):
    try:
        for said in ReplyReader().feed(data):
            assert said.status[0] in "2345"
            assert "\n" not in said.line
    except NotSmtp:
        pass


def test_capabilities_are_read_in_any_case():
    able = parse_capabilities(
        SmtpReply(250, "host greets\nsize 1000\npipelining\nAUTH=LOGIN\nauth plain\n8bitmime\nSMTPUTF8")
    )
    assert (able.pipelining, able.eight_bit, able.smtputf8, able.size, able.max_size) == (True, True, True, True, 1000)
    assert able.auth == ("LOGIN", "PLAIN")
    assert not parse_capabilities(SmtpReply(250, "PIPELINING")).pipelining  # the greeting's own text is no keyword


# plans


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, DeliveryStatus.DELIVERED) for code in (250, 251)),
        *((code, DeliveryStatus.DEFERRED) for code in (0, 354, 421, 452)),
        *((code, DeliveryStatus.BOUNCED) for code in (500, 554)),
    ],
)
def test_only_5xx_is_for_good(code, expected):
    assert delivery_status(SmtpReply(code, "")) is expected


def test_those_over_the_next_hops_limit_are_tried_again_at_once():
    planned = outcome_of(
        {"a": SmtpReply(250, "ok"), "b": SmtpReply(452, "4.5.3 too many"), "c": SmtpReply(552, "too many recipients")}
    )
    assert (planned.delivered, planned.again, planned.deferred, planned.bounced) == (("a",), ("b", "c"), (), ())


def test_without_a_delivery_too_many_is_an_answer_like_others():
    planned = outcome_of({"b": SmtpReply(452, "4.5.3 too many"), "c": SmtpReply(552, "5.5.3 too many")})
    assert [f.recipient for f in planned.deferred] == ["b"]
    assert [f.recipient for f in planned.bounced] == ["c"]


@given(st.dictionaries(st.text(min_size=1), st.builds(SmtpReply, st.integers(0, 600), st.text()), min_size=1))
def test_every_recipient_has_exactly_one_fate(said):
    planned = outcome_of(said)
    told = [*planned.delivered, *planned.again, *(f.recipient for f in (*planned.deferred, *planned.bounced))]
    assert sorted(told) == sorted(said)
    assert not planned.again or planned.delivered  # so that trying again comes to an end


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_grow_to_their_longest_with_jitter(attempt, random):
    patience = RetrySchedule()
    delay = next_attempt(NOW, attempt, random, patience) - NOW
    plain = min(patience.first * 2 ** min(attempt - 1, 20), patience.longest)
    assert plain * 0.8 <= delay <= plain * 1.2


def test_five_days_hold_some_sixty_attempts():
    at, attempt = NOW, 0
    while at - NOW < timedelta(days=5):
        attempt += 1
        at = next_attempt(at, attempt, 0.5, RetrySchedule())
    assert 50 <= attempt <= 80


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_routes_backoff_is_bounded(failures, random):
    assert 1.5 <= backoff(failures, random, 2, 300) <= 375


# routes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mx.example:587", ("mx.example", 587)),
        ("mx.example", ("mx.example", 25)),
        ("[::1]:2525", ("::1", 2525)),
        ("[::1]", ("::1", 25)),
        ("192.0.2.1:25", ("192.0.2.1", 25)),
    ],
)
def test_smarthosts_are_read(text, expected):
    assert parse_smarthost(text) == expected
    assert parse_smarthost(format_smarthost(*expected)) == expected


@pytest.mark.parametrize(
    "text", ["", ":25", "host:", "host:0", "host:70000", "a b:25", "http://x:25", "::1:25", "x\r\n:25"]
)
def test_what_is_no_smarthost_is_refused(text):
    with pytest.raises(ValueError, match="expected a next hop"):
        parse_smarthost(text)


def test_a_target_doesnt_show_its_password():
    assert "s3cret" not in repr(SmtpTarget(host="h", port=25, login="l", password="s3cret"))


def by(account="acme"):
    return By(account, NOW, "admin", "")


def test_the_same_route_again_changes_nothing(tmp_path):
    seal = SecretBox.from_file(tmp_path / "key")
    wanted = wish("mx.example:587", TlsUse.REQUIRED, "acme", "s3cret")
    changes, event = set_route(None, wanted, by(), seal)
    assert [change.line for change in changes] == ["+ route mx.example:587 tls required as acme"]
    assert event is not None
    state = account_route.apply(None, event)
    assert set_route(state, wanted, by(), seal) == ([], None)
    assert set_route(state, wanted._replace(password=None), by(), seal) == ([], None)
    changed, _ = set_route(state, wanted._replace(password="other"), by(), seal)
    assert [change.line for change in changed] == ["~ route password changed"]
    hole, _ = set_route(state, "blackhole", by(), seal)
    assert [change.line for change in hole] == ["~ route mx.example:587 tls required as acme -> blackhole"]


def test_a_password_is_never_in_an_event(tmp_path):
    seal = SecretBox.from_file(tmp_path / "key")
    _, event = set_route(None, wish("mx.example:587", TlsUse.REQUIRED, "acme", "s3cret"), by(), seal)
    assert event is not None
    assert isinstance(event.route, Smarthost)
    assert "s3cret" not in repr(event)
    assert seal.open(event.route.secret) == "s3cret"
    with pytest.raises(TransientError):
        SecretBox.from_file(tmp_path / "other").open(event.route.secret)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_login_needs_its_password_and_a_password_its_login(tmp_path):
    seal = SecretBox.from_file(tmp_path / "key")
    with pytest.raises(RefusedCommand):
        set_route(None, wish("mx.example:587", TlsUse.REQUIRED, "acme", None), by(), seal)
    with pytest.raises(RefusedCommand):
        wish("mx.example:587", TlsUse.REQUIRED, "", "s3cret")
    with pytest.raises(NotFound):
        remove_route(None, by())


def test_another_smarthost_doesnt_get_the_old_ones_password(tmp_path):
    seal = SecretBox.from_file(tmp_path / "key")
    _, event = set_route(None, wish("mx.example:587", TlsUse.REQUIRED, "acme", "s3cret"), by(), seal)
    assert event is not None
    with pytest.raises(RefusedCommand):
        set_route(account_route.apply(None, event), wish("evil.example:25", TlsUse.NONE, "acme", None), by(), seal)


def test_an_accounts_route_is_folded_from_events():
    state = account_route.apply(None, AccountOpened(at=NOW, account="acme", language=Language.IT))
    assert state == account_route.AccountRoute(account="acme")
    state = account_route.apply(state, RouteSet(at=NOW, account="acme", route=Blackhole()))
    state = account_route.apply(state, RouteFailed(at=NOW, account="acme", host="h", why="refused"))
    assert state is not None
    assert (state.route, state.failed) == (Blackhole(), "refused")
    state = account_route.apply(state, RouteRecovered(at=NOW, account="acme", host="h"))
    state = account_route.apply(state, RouteRemoved(at=NOW, account="acme"))
    assert state == account_route.AccountRoute(account="acme")


# the queue

ABOUT = {"at": NOW, "account": "acme", "mail": "m1", "sequence": 7}


def failure(recipient: str, status="4.2.2", answer="452 4.2.2 full") -> Failure:
    return Failure(recipient=recipient, status=status, answer=answer)


def deferred(*recipients: str, attempt=1) -> MailDeferred:
    failures = tuple(failure(r) for r in recipients)
    about = {"sender": "alice@acme.example", "size": 9, "accepted_at": NOW, "next_at": NOW + timedelta(minutes=attempt)}
    return MailDeferred(**ABOUT, **about, failures=failures, host="h:25", attempt=attempt)


def fold(*events):
    state = None
    for event in events:
        state = queue.apply(state, event)
    return state


def test_a_deferred_mail_waits_until_every_recipient_is_final():
    later = {"recipients": ("b",), "host": "h:25", "answer": "250 ok", "attempt": 2}
    state = fold(deferred("a", "b"), MailDelivered(**ABOUT, **later))
    assert state is not None
    assert state.recipients == ("a",)
    assert queue.apply(state, MailDropped(**ABOUT, recipients=("a",))) is None


def test_a_first_delivery_is_no_business_of_the_queue():
    assert fold(MailDelivered(**ABOUT, recipients=("b",), host="h:25", answer="250 ok")) is None


def test_a_hold_keeps_a_mail_back_until_its_release():
    state = fold(deferred("a"), MailHeld(**ABOUT))
    assert state is not None
    assert (state.due, state.tried_at(NOW + timedelta(days=1))) == (None, False)
    state = queue.apply(state, MailReleased(**ABOUT))
    assert state is not None
    assert state.tried_at(NOW)


def test_a_hurried_mail_is_due_now():
    state = fold(deferred("a"), MailRetryRequested(**ABOUT))
    assert state is not None
    assert state.due == NOW


@pytest.mark.parametrize("kind", [MailBounced, MailExpired])
def test_a_notification_is_owed_until_it_is_written(kind):
    failed = kind(**ABOUT, failures=(failure("a"),), host="h:25", sender="alice@acme.example", dsn="d1")
    state = fold(deferred("a"), failed)
    assert state is not None
    assert [owed.dsn for owed in state.owed] == ["d1"]
    assert state.due == NOW
    assert queue.apply(state, SenderNotified(**ABOUT, dsn="d1")) is None
    assert fold(failed, SenderNotified(**ABOUT, dsn="d1")) is None


def test_no_notification_is_owed_to_a_null_sender():
    assert fold(MailBounced(**ABOUT, failures=(failure("a"),), host="h:25")) is None


# notifications


def envelope(sender="alice@acme.example", recipients=("bob@x.example", "eve@x.example"), age=timedelta()) -> Envelope:
    return Envelope(
        id="m1", account="acme", sender=sender, recipients=recipients, host="192.0.2.1", received_at=NOW - age
    )


def letter(sender="alice@acme.example", age=timedelta()) -> OutgoingMessage:
    return OutgoingMessage(
        envelope=envelope(sender, age=age), sequence=7, recipients=("bob@x.example",), body=b"", size=0, attempt=3
    )


def outcomes(letter_: OutgoingMessage, bounced=(), deferred=()):
    return undelivered_events(
        letter_,
        bounced=bounced,
        deferred=deferred,
        host="h:25",
        now=NOW,
        random=0.5,
        patience=RetrySchedule(),
        new_id=lambda: "d1",
    )


def test_what_is_deferred_for_too_long_expires():
    kinds = [type(event) for event in outcomes(letter(age=timedelta(days=5)), (failure("a"),), (failure("b"),))]
    assert kinds == [MailBounced, MailExpired]
    assert [type(event) for event in outcomes(letter(age=timedelta(days=4)), (), (failure("b"),))] == [MailDeferred]


def test_a_null_sender_is_never_notified():
    (event,) = outcomes(letter(sender=""), (failure("a"),))
    assert isinstance(event, MailBounced)
    assert event.dsn == ""


HEADERS = b"Subject: hi\r\n..dotted: x\r\nFrom: alice@acme.example\r\n\r\nbody\r\n"


def notice(**more) -> DsnContent:
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
    body = compose(notice())
    message = message_from_bytes(unstuffed(body), policy=SMTP)
    assert message.defects == []
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "alice@acme.example"
    assert message["Auto-Submitted"] == "auto-replied"
    text, status, original = message.iter_parts()
    assert "bob@x.example" in text.get_content()
    assert "could not be delivered" in text.get_content()
    assert "non e' stato consegnato" in text.get_content()
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


def test_a_status_that_ran_out_of_time_is_a_permanent_one():
    expired = compose(notice(expired=True, envelope=envelope(age=timedelta(days=5)))).decode()
    assert "Status: 5.4.7" in expired
    assert "was tried for 5 day(s)" in expired
    assert "Status: 4." not in expired


@given(st.text(), st.binary(), st.binary(max_size=200))
def test_a_notification_is_ascii_in_short_lines_whatever_was_said(answer, headers, more):
    said = (failure("bob@x.example", "5.0.0", answer),)
    body = compose(notice(failures=said, headers=headers_of(b"X: " + more.hex().encode() + b"\r\n\r\n" + headers)))
    assert body.isascii()
    assert b"\r\n.\r\n" not in b"\r\n" + body
    assert body.endswith(b"\r\n")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert max(map(len, body.split(b"\r\n"))) <= 998


def test_an_internationalised_notification_takes_the_global_forms():
    """RFC 6533 3."""
    body = compose(notice(envelope=envelope("àlice@acme.example"))).decode()
    assert "report-type=global-delivery-status" in body
    assert "message/global-delivery-status" in body
    assert "message/global-headers" in body
    assert "Final-Recipient: utf-8; bob@x.example" in body
