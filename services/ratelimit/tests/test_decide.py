"""Decisions on what was sent: limits, exceptions, resets, and the words of an answer."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    Language,
    Limit,
    Meter,
    QuotaExceeded,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaNearlyReached,
    QuotaReset,
    Window,
)
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.decide import amounts_of, decide
from varco_ratelimit.limit_status import AccountView, frees_at, limit_statuses
from varco_ratelimit.model import apply, sender_key
from varco_ratelimit.quota_text import limit_text
from varco_ratelimit.quota_windows import DAY, HOUR

from .conftest import ballot
from .counters_of_one_account import LAPSE, NOW, SAID, account, sent


def verdict(counters, state, now=NOW, **facts):
    one = ballot(**facts)
    return decide(one, state, counters.account_counters("acme"), amounts_of(one, 0), now).vote


def test_the_window_ends_to_the_millisecond():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=2))
    sent(counters, NOW - DAY + 1, NOW - HOUR)
    assert verdict(counters, state).reply is Reply.QUOTA_EXCEEDED
    assert "next message allowed at 2026-11-24 10:00:01 +0000" in verdict(counters, state).text
    assert verdict(counters, state, NOW + 1).reply is Reply.ACCEPTED


def test_reservations_count_until_they_are_released_lapse_or_become_mails():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=1))
    one = Reservation("m1", "acme", "alice@acme.example", (1, 1, 100, 0), NOW)
    counters.reserve(one)
    counters.reserve(one)
    assert verdict(counters, state).reply is Reply.QUOTA_EXCEEDED
    counters.release("m1")
    assert verdict(counters, state).reply is Reply.ACCEPTED
    counters.reserve(one)  # a release that came first wins
    assert verdict(counters, state).reply is Reply.ACCEPTED
    counters.reserve(msgspec.structs.replace(one, mail="m2"))
    assert counters.lapse(NOW + LAPSE) == []
    assert [one.mail for one in counters.lapse(NOW + LAPSE + 1)] == ["m2"]
    counters.reserve(msgspec.structs.replace(one, mail="m3"))
    counters.commit(1, msgspec.structs.replace(one, mail="m3", at=NOW + 5))
    assert counters.reservations() == []
    assert verdict(counters, state, NOW + 6).reply is Reply.QUOTA_EXCEEDED


def test_the_narrowest_exception_that_has_not_ended_holds():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=1), recipients=Limit(limit=10))
    ends = SAID["at"] + timedelta(hours=1)
    for pattern, limit, until in (("@acme.example", Limit(limit=3), None), ("alice@acme.example", None, ends)):
        state = apply(state, QuotaExcepted(**SAID, pattern=pattern, limits={Meter.MESSAGES: limit}, until=until))
    sent(counters, *[NOW - 1] * 5)
    assert verdict(counters, state).reply is Reply.ACCEPTED
    assert "3 messages" in verdict(counters, state, NOW + HOUR).text
    state = apply(state, QuotaExceptionRemoved(**SAID, pattern="@acme.example"))
    assert "1 message per 1 day" in verdict(counters, state, NOW + HOUR).text
    many = [f"r{number}@d.example" for number in range(11)]
    one = ballot("alice@acme.example", *many)
    assert (
        decide(one, state, counters.account_counters("acme"), amounts_of(one, 0), NOW).vote.reply
        is Reply.QUOTA_EXCEEDED_FINALLY
    )


def test_a_reset_counts_from_its_moment_on():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=1))
    sent(counters, NOW - 5)
    assert verdict(counters, state).reply is Reply.QUOTA_EXCEEDED
    state = apply(state, QuotaReset(**SAID, sender="alice@acme.example"))
    assert verdict(counters, state).reply is Reply.ACCEPTED
    sent(counters, NOW + 1)
    assert verdict(counters, state, NOW + 2).reply is Reply.QUOTA_EXCEEDED


def test_the_null_sender_has_a_quota_of_its_own():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=1))
    sent(counters, NOW - 5, sender="<>")
    assert "<> has exceeded 1 message per 1 day" in verdict(counters, state, sender="").text
    assert verdict(counters, state).reply is Reply.ACCEPTED


def test_the_answer_fits_into_a_reply_line_with_the_id():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=0))
    long = "x" * 64 + "@" + ".".join(["y" * 60] * 3) + ".example"
    text = decide(ballot(long, long), state, counters.account_counters("acme"), (1, 1, 1, 0), NOW).vote.text
    assert len(f"450 4.7.1 {text} (12345678901234567890)\r\n") <= 512  # RFC 5321 4.5.3.1.5
    assert "has exceeded 0 messages per 1 day" in text


ROME = AccountTexts(languages=(Language.IT, Language.EN), time_zone="Europe/Rome")


def test_the_answer_is_in_the_languages_and_the_time_zone_of_the_account():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=2))
    sent(counters, NOW - DAY + 1, NOW - HOUR)
    one = ballot()
    text = decide(one, state, counters.account_counters("acme"), amounts_of(one, 0), NOW, texts=ROME).vote.text
    italian, english = text.split("\n")
    assert italian.endswith(
        " ha superato 2 messaggi in 1 giorno; prossimo messaggio ammesso alle 2026-11-24 11:00:01 +0100"
    )
    assert english.endswith(" has exceeded 2 messages per 1 day; next message allowed at 2026-11-24 11:00:01 +0100")


def test_the_answer_is_in_the_words_of_the_account():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=0))
    own = {Notice.QUOTA_MESSAGE: {Language.EN: "{sender}: {limit}. Ask Bob."}}
    one = ballot()
    texts = AccountTexts(notices=own)
    vote = decide(one, state, counters.account_counters("acme"), amounts_of(one, 0), NOW, texts=texts).vote
    assert vote.text == f"{one.envelope.sender}: 0 messages per 1 day. Ask Bob."


@pytest.mark.parametrize("meter", Meter)
@pytest.mark.parametrize("window", Window)
def test_each_limit_has_words_in_each_language(meter, window):
    texts = {limit_text(meter, Limit(limit=5, per=window), language) for language in Language}
    assert len(texts) == len(Language)


@given(st.lists(st.integers(1, 3 * HOUR), max_size=40), st.integers(1, 8), st.sampled_from(Window))
def test_whoever_waits_as_long_as_was_said_passes(pauses, most, window):
    counters, state, clock = QuotaCounters(LAPSE), account(messages=Limit(limit=most, per=window)), NOW
    for pause in pauses:
        clock += pause
        if verdict(counters, state, clock).reply.accepts:
            sent(counters, clock)
        else:
            view = AccountView(state, counters.account_counters("acme"), clock)
            [status] = limit_statuses(view, "alice@acme.example")
            free = frees_at(view, status, 1)
            assert not verdict(counters, state, free - 1).reply.accepts
            assert verdict(counters, state, free).reply.accepts
        [status] = limit_statuses(AccountView(state, counters.account_counters("acme"), clock), "alice@acme.example")
        assert status.used <= most


def test_nine_tenths_are_said_once_a_window_and_again_after_a_reset():
    counters, state = QuotaCounters(LAPSE), account(messages=Limit(limit=10))
    said = []
    for second in range(12):
        now = NOW + second * 1000
        one = ballot()
        decision = decide(one, state, counters.account_counters("acme"), amounts_of(one, 0), now)
        for each in decision.alerts:
            said.append((each.kind, each.used))
            fact = {"sender": each.sender, "meter": each.meter, "limit": each.limit, "used": each.used, "mail": "m"}
            state = apply(state, each.kind(account="acme", at=quota_windows.moment(now), **fact))
        if decision.vote.reply.accepts:
            sent(counters, now)
    assert said == [(QuotaNearlyReached, 9), (QuotaExceeded, 10)]
    state = apply(state, QuotaReset(account="acme", at=quota_windows.moment(NOW + 20_000), sender="alice@acme.example"))
    assert state.alerts == {}


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("Alice@ACME.example", "alice@acme.example"),
        ('"alice"@acme.example', "alice@acme.example"),
        ('"al\\ice"@acme.example', "alice@acme.example"),
        ('"a.b"@acme.example', "a.b@acme.example"),
        ('"a b"@acme.example', '"a b"@acme.example'),
        ('"a@b"@acme.example', '"a@b"@acme.example'),
        ('"a..b"@acme.example', '"a..b"@acme.example'),
        ('""@acme.example', '""@acme.example'),
        ("", "<>"),
    ],
)
def test_one_mailbox_is_one_sender_however_it_is_written(written, counted):
    assert sender_key(written) == counted
