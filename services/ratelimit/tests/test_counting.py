"""What is folded, and a mail's way: reserved, then a record, a refusal, or nothing."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    AccountClosed,
    Limit,
    Meter,
    QuotaExceeded,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaNearlyReached,
    QuotaReset,
    Quotas,
    QuotaSet,
    Window,
)
from varco_ratelimit.counters import WHOLE_ACCOUNT, QuotaCounters, Reservation
from varco_ratelimit.model import AccountQuotas, apply
from varco_ratelimit.quota_windows import DAY

from .counters_of_one_account import LAPSE, NOW, sent

limits = st.dictionaries(st.sampled_from(Meter), st.builds(Limit, limit=st.integers(0, 9), per=st.sampled_from(Window)))
who = st.sampled_from(["a@b.example", "@b.example", WHOLE_ACCOUNT])
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
events = st.one_of(
    st.builds(QuotaSet, account=st.just("acme"), at=moments, quotas=st.builds(Quotas, senders=limits, whole=limits)),
    st.builds(
        QuotaExcepted, account=st.just("acme"), at=moments, pattern=who, limits=limits, until=st.none() | moments
    ),
    st.builds(QuotaExceptionRemoved, account=st.just("acme"), at=moments, pattern=who),
    st.builds(QuotaReset, account=st.just("acme"), at=moments, sender=who),
    *(
        st.builds(
            kind,
            account=st.just("acme"),
            at=moments,
            sender=who,
            meter=st.sampled_from(Meter),
            limit=st.builds(Limit, limit=st.integers(0, 9)),
            used=st.integers(0, 9),
            mail=st.just("m"),
        )
        for kind in (QuotaNearlyReached, QuotaExceeded)
    ),
    st.builds(AccountClosed, account=st.just("acme"), at=moments),
)


@given(st.lists(events, max_size=20), st.integers(0, 20))
def test_folding_on_from_what_was_saved_is_folding_all(said, place):
    live = saved = None
    for number, event in enumerate(said):
        live = apply(live, event)
        saved = apply(saved, event)
        if number == place and saved:
            saved = msgspec.json.decode(msgspec.json.encode(saved), type=AccountQuotas)
    assert live == saved


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "record", "refuse", "twice", "restart"]), st.integers(0, 9)), max_size=80
)


@given(steps)
def test_counting_live_after_a_restart_and_anew_is_the_same(moves):
    """`stream` is MAIL.

    A restart reads it again and takes the reservations from the reservation_log.
    """
    live, stream, reservation_log, refused = QuotaCounters(LAPSE), [], {}, set()
    for move, number in moves:
        mail = Reservation(f"m{number}", "acme", f"s{number % 3}@acme.example", (1, number, 10, 0), NOW)
        if move == "reserve" and mail.mail not in reservation_log:
            live.reserve(mail)
            reservation_log[mail.mail] = mail
        elif (
            move == "record"
            and mail.mail in reservation_log
            and mail.mail not in refused | {one.mail for one in stream}
        ):
            stream.append(mail)
            live.commit(len(stream), mail)
        elif move == "refuse" and mail not in stream:
            live.release(mail.mail)
            refused.add(mail.mail)
        elif move == "twice" and number < len(stream):
            live.commit(number + 1, stream[number])
        elif move == "restart":
            live = rebuilt(stream, reservation_log, refused)
    anew = rebuilt(stream, reservation_log, refused)
    for sender in (WHOLE_ACCOUNT, *(f"s{number}@acme.example" for number in range(3))):
        for place in range(4):
            assert live.account_counters("acme").of(sender).used(place, 0) == anew.account_counters("acme").of(
                sender
            ).used(place, 0)
            assert live.account_counters("acme").pending(sender, place) == anew.account_counters("acme").pending(
                sender, place
            )
    waiting = {mail for mail in reservation_log if mail not in refused} - {one.mail for one in stream}
    assert {one.mail for one in live.reservations()} == waiting


def rebuilt(stream, reservation_log, refused):
    counters = QuotaCounters(LAPSE)
    counters.restore(reservation_log.values(), NOW)
    for sequence, mail in enumerate(stream, 1):
        counters.commit(sequence, mail)
    for mail in refused:
        counters.release(mail)
    return counters


def test_what_counts_nowhere_is_forgotten():
    counters = QuotaCounters(LAPSE)
    sent(counters, NOW - 2 * DAY, NOW - DAY)
    sent(counters, NOW - 2 * DAY, sender="bea@acme.example")
    [*counters.forget(NOW)]
    assert [*counters.accounts["acme"].senders] == ["alice@acme.example"]
    [*counters.forget(NOW + 2 * DAY)]
    assert counters.accounts == {}
