"""The pure core: windows, running sums, decisions, what is folded, and who has which partition."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    AccountClosed,
    Language,
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
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import WHOLE_ACCOUNT, QuotaCounters, Reservation
from varco_ratelimit.decide import amounts_of, decide
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, pair_of
from varco_ratelimit.limit_status import AccountView, frees_at, limit_statuses
from varco_ratelimit.model import AccountQuotas, apply, sender_key
from varco_ratelimit.quota_text import limit_text
from varco_ratelimit.quota_windows import DAY, HOUR, milliseconds
from varco_ratelimit.reservation_log import ReservationLog
from varco_ratelimit.window_counter import WindowCounter

from .conftest import ballot

NOW = milliseconds(datetime(2026, 11, 24, 10, tzinfo=UTC))
SAID = {"account": "acme", "at": datetime(2026, 11, 24, 10, tzinfo=UTC)}
LAPSE = 120_000


def at(zone, *moment):
    return milliseconds(datetime(*moment, tzinfo=ZoneInfo(zone)))


def account(**limits):
    return AccountQuotas(account="acme", quotas=Quotas(senders={Meter(m): limit for m, limit in limits.items()}))


def sent(counters, *times, sender="alice@acme.example", amounts=(1, 1, 100, 0)):
    for moment in times:
        counters.commit(counters.sequence + 1, Reservation(f"mail{counters.sequence}", "acme", sender, amounts, moment))


# windows


@given(
    st.sampled_from(Window),
    st.sampled_from(["UTC", "Europe/Rome", "America/Havana", "Asia/Beirut"]),
    st.integers(0, 10**7),
)
def test_a_mail_counts_until_it_frees_and_no_longer(window, zone, minutes):
    stored = NOW - minutes * 60_000
    free = quota_windows.frees(window, zone, stored)
    assert stored >= quota_windows.since(window, zone, stored)
    assert stored >= quota_windows.since(window, zone, free - 1)
    assert stored < quota_windows.since(window, zone, free)
    assert free - stored <= quota_windows.LONGEST


def test_a_calendar_day_has_as_many_hours_as_the_clocks_give_it():
    for day, hours in (((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 24), 24)):
        noon = at("Europe/Rome", *day, 12)
        begins = quota_windows.since(Window.CALENDAR_DAY, "Europe/Rome", noon)
        assert begins == at("Europe/Rome", *day)
        assert quota_windows.frees(Window.CALENDAR_DAY, "Europe/Rome", noon) - begins == hours * HOUR


def test_a_midnight_that_is_jumped_over_is_the_jump():
    noon = at("America/Havana", 2026, 3, 8, 12)  # 00:00 becomes 01:00
    begins = quota_windows.since(Window.CALENDAR_DAY, "America/Havana", noon)
    assert datetime.fromtimestamp(begins / 1000, ZoneInfo("America/Havana")).hour == 1
    assert quota_windows.since(Window.CALENDAR_DAY, "America/Havana", begins - 1) < begins


def test_when_the_next_mail_is_allowed_is_never_shown_too_early():
    assert quota_windows.local_time("Europe/Rome", NOW + 1) == "2026-11-24 11:00:01 +0100"
    assert quota_windows.local_time("UTC", NOW) == "2026-11-24 10:00:00 +0000"


# usage

mails = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(mails, st.integers(-5, 60), st.integers(-5, 60), st.integers(0, 80))
def test_running_sums_say_what_counting_says(steps, since, forgotten, most):
    usage, counted, clock = WindowCounter(), [], 0
    for step, (pause, recipients, size) in enumerate(steps):
        clock += pause % 4
        usage.add(clock, step, (1, recipients, size, 0))
        counted.append((clock, step, (1, recipients, size, 0)))
    assert usage.forget(forgotten) is not any(one[0] >= forgotten for one in counted)
    kept = [one for one in counted if one[0] >= max(since, forgotten)]
    since = max(since, forgotten)
    assert [*usage.mails(since)] == kept[::-1]
    for place in range(3):
        used = sum(one[2][place] for one in kept)
        assert usage.used(place, since) == used
        room = usage.room_from(place, since, most)
        if used <= most:
            assert room is None
        else:
            after = [one for one in kept if one[0] > room]
            assert sum(one[2][place] for one in after) <= most
            assert any(one[0] == room for one in kept)


def test_an_account_total_is_kept_by_the_minute_and_counts_as_long_as_its_newest_mail():
    usage = WindowCounter()
    for second in range(600):
        usage.add(second * 1000, second, (1, 2, 3, 0), merge=60_000)
    assert len(usage) == 10
    assert usage.used(1, 0) == 1200
    assert usage.used(0, 60_000) == 540
    assert usage.used(0, 30_000) == 600


# decide


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


# folding

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


# a mail's way: reserved, then a record, a refusal, or nothing


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


# known and reservation_log


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(20_000, 20_300)), max_size=300))
def test_recipients_are_known_for_90_days(written):
    known, last = KnownRecipients(), {}
    for number, day in written:
        pair = pair_of("acme", "a@acme.example", f"r{number}@d.example")
        known.add_mail(pair, day)
        last[pair] = max(day, last.get(pair, 0))
    for pair, day in last.items():
        assert known.knows(pair, day + DAYS)
        assert not known.knows(pair, day + DAYS + 1)
    assert {pair: known.unsaved[pair] for pair in last} == last
    assert len(known) == len(last)
    assert not known.knows(pair_of("other", "a@acme.example", "r1@d.example"), 20_000)


def test_a_table_grows_and_forgets_what_is_old():
    known = KnownRecipients()
    for number in range(60_000):
        known.put(pair_of("acme", "a", str(number)), 20_000 if number % 2 else 20_000 - DAYS - 1)
    for number in range(60_000, 120_000):
        known.put(pair_of("acme", "a", str(number)), 20_000)
    assert all(known.knows(pair_of("acme", "a", str(number)), 20_000) for number in range(1, 120_000, 2))
    assert len(known) < 110_000
    assert known.size / len(known) < 33


def test_the_journal_has_what_was_written_though_nobody_closed_it(tmp_path):
    written = [Reservation(f"m{number}", "acme", "a@b.example", (1, 1, 1, 0), NOW + number) for number in range(3)]
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        identity = reservation_log.identity
        for one in written:
            reservation_log.write(one)
        with ReservationLog.open(tmp_path, LAPSE) as other:
            assert other.identity != identity
            assert other.found == []
    file = tmp_path / "0" / "reservations.1"
    file.write_bytes(file.read_bytes() + b'{"mail":"cut o')
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert (reservation_log.identity, reservation_log.found) == (identity, written)
        later = [msgspec.structs.replace(written[0], mail=f"n{number}", at=NOW + number * LAPSE) for number in range(5)]
        for one in later:
            reservation_log.write(one)
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert set(later[-1:]) <= set(reservation_log.found) <= {*later, *written}


@pytest.mark.parametrize("damage", [b"", b"\xff\0", b"cut"])
def test_a_damaged_identity_is_another_identity(tmp_path, damage):
    """Its partitions count as lost then: they are taken once all mails that may count are known."""
    with ReservationLog.open(tmp_path, 1_000) as reservation_log:
        identity = reservation_log.identity
    (tmp_path / "0" / "identity").write_bytes(damage)
    with ReservationLog.open(tmp_path, 1_000) as reservation_log:
        assert reservation_log.identity != identity


def test_another_boot_is_another_identity(tmp_path):
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        identity = reservation_log.identity
    file = tmp_path / "0" / "identity"
    file.write_text(f"{identity} another-boot\n")
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert reservation_log.identity != identity


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome"])
def test_every_window_is_within_what_is_kept(zone):
    for window in Window:
        assert NOW - quota_windows.since(window, zone, NOW) < quota_windows.LONGEST


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
