"""What was counted live is counted again from events, as of any record.

And other quotas count what would have passed.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from varco_common.events import Limit, Meter, Quotas, QuotaSet, Window
from varco_common.eventsourcing.replay.replayable import PastDecision, RefusedSection, ReplayCase, UnclearDecision
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_ratelimit.counters import WHOLE_ACCOUNT, QuotaCounters, Reservation
from varco_ratelimit.decide import VOTER, amounts_of, decide
from varco_ratelimit.model import apply, sender_key
from varco_ratelimit.quota_windows import milliseconds, moment
from varco_ratelimit.replay import QuotaReplay
from varco_ratelimit.replay_counters import ReplayCounters
from varco_ratelimit.settings import Settings
from varco_ratelimit.vote_inputs import figures_of
from varco_ratelimit.window_counter import METERS

from .conftest import ballot

START = milliseconds(datetime(2026, 3, 28, 20, tzinfo=UTC))  # the clocks change in the night that follows
SENDERS = ("alice@acme.example", "bob@acme.example", "<>")
STEPS = st.lists(
    st.tuples(st.integers(0, 40_000), st.sampled_from(SENDERS), st.integers(1, 4), st.integers(1, 5_000)), max_size=60
)


@given(STEPS, st.data())
def test_a_recount_as_of_a_record_is_the_count_that_was_live_then(steps, data):
    counters, recount, at = QuotaCounters(120_000), ReplayCounters(), START
    asked = []
    for sequence, (pause, sender, recipients, size) in enumerate(steps, 1):
        at += pause
        amounts = (1, recipients, size, 0)
        counters.commit(sequence, Reservation(f"m{sequence}", "acme", sender, amounts, at))
        since = data.draw(st.integers(START - 1, at + 1))
        most = data.draw(st.integers(0, 10))
        for who in (sender, WHOLE_ACCOUNT):
            usage = counters.account_counters("acme").of(who)
            live = [(usage.used(place, since), usage.room_from(place, since, most)) for place in range(len(METERS))]
            asked.append((sequence, who, since, most, live))
        recount.add(sender, at, sequence, amounts)
    for sequence, who, since, most, live in asked:  # only now, with all that came after
        counted = recount.as_of(sequence).of(who)
        again = [(counted.used(place, since), counted.room_from(place, since, most)) for place in range(len(METERS))]
        assert again == live


LIMITS = st.dictionaries(
    st.sampled_from([Meter.MESSAGES, Meter.RECIPIENTS, Meter.BYTES]),
    st.builds(Limit, limit=st.integers(0, 12), per=st.sampled_from(Window)),
    max_size=3,
)


class Live:
    """A ratelimit at work, and the mails as EVENTS has them afterwards."""

    def __init__(self, quotas: Quotas) -> None:
        self.settings = QuotaSet(at=moment(START), account="acme", quotas=quotas)
        self.account = apply(None, self.settings)
        self.counters, self.now, self.sequence = QuotaCounters(10**9), START, 0
        self.cases: list[ReplayCase] = []
        self.late: list[tuple[Ballot, Vote]] = []

    def vote(self, one: Ballot) -> Vote:
        account_counters, amounts, sender = (
            self.counters.account_counters("acme"),
            amounts_of(one, 0),
            sender_key(one.envelope.sender),
        )
        vote = decide(one, self.account, account_counters, amounts, self.now).vote
        figures = figures_of(account_counters, sender, amounts, clock=self.now, counted=self.counters.sequence)
        if vote.reply.accepts:
            self.counters.reserve(Reservation(one.envelope.id, "acme", sender, amounts, self.now))
        return replace(vote, sequence=5, figures=figures)

    def commit(self, one: Ballot, vote: Vote) -> None:
        self.sequence += 1
        sender = sender_key(one.envelope.sender)
        self.counters.commit(self.sequence, Reservation(one.envelope.id, "acme", sender, amounts_of(one, 0), self.now))
        self._told(one, vote, Reply.ACCEPTED, PastDecision(self.sequence, moment(self.now)))

    def refuse(self, one: Ballot, vote: Vote) -> None:
        self.counters.release(one.envelope.id)
        self._told(one, vote, Reply.QUOTA_EXCEEDED, None)

    def step(self, one: Ballot, then: str) -> None:
        vote = self.vote(one)
        if not vote.reply.accepts or then == "refused by another":
            self.refuse(one, vote)
        elif then == "stored later":
            self.late.append((one, vote))
        else:
            self.commit(one, vote)
        while then == "the late ones, too" and self.late:
            self.commit(*self.late.pop())

    def _told(self, one: Ballot, vote: Vote, reply: Reply, passed: PastDecision | None) -> None:
        self.cases.append(ReplayCase(len(self.cases) + 10, one, (vote,), reply, passed))


QUOTAS = st.builds(
    Quotas, senders=LIMITS, whole=LIMITS, time_zone=st.sampled_from(["UTC", "Europe/Rome"]), permanent=st.booleans()
)
THEN = st.sampled_from(["stored", "stored later", "refused by another", "the late ones, too"])
DAY = st.lists(st.tuples(st.sampled_from(SENDERS), st.integers(1, 3), THEN, st.integers(0, 3_600_000)), max_size=40)


@given(QUOTAS, DAY)
def test_votes_come_out_the_same_from_events_alone(quotas, day):
    live = Live(quotas)
    for sender, recipients, then, pause in day:
        live.now += pause
        live.step(ballot("" if sender == "<>" else sender, *[f"r{n}@x.example" for n in range(recipients)]), then)
    rehearser = QuotaReplay()
    rehearser.apply_event(5, live.settings)
    for case in live.cases:
        if case.passed:
            rehearser.count_passed(case)
    for case in live.cases:
        recorded = case.votes[0]
        again = rehearser.decide(case, recorded)
        assert (again.reply, again.reason, again.text) == (recorded.reply, recorded.reason, recorded.text)


def test_a_vote_without_figures_cant_be_cast_again():
    case = ReplayCase(1, ballot(), (accept(VOTER, 0),), Reply.ACCEPTED, None)
    assert isinstance(QuotaReplay().decide(case, case.votes[0]), UnclearDecision)


# what if


def past(count: int, *, refused: tuple[int, ...] = ()) -> list[ReplayCase]:
    """One mail a minute, an hour ago; some were refused by policy."""
    start = datetime.now(UTC) - timedelta(hours=1)
    made = []
    for number in range(count):
        one = ballot()
        envelope = replace(one.envelope, received_at=start + timedelta(minutes=number))
        reply = Reply.TOO_BIG if number in refused else Reply.ACCEPTED
        votes = (Vote(voter="policy", reply=reply), accept(VOTER, 0))
        made.append(ReplayCase(number + 1, Ballot(envelope=envelope, manifest=Manifest()), votes, reply, None))
    return made


async def judged(cases: list[ReplayCase], quotas: object, **others: bool) -> list[bool]:
    rehearser = QuotaReplay()
    await rehearser.assume("acme", {"quotas": quotas}, [])
    found = []
    for case in cases:
        pass_others = others.get(f"m{case.sequence}", case.reply.accepts)
        found.append(rehearser.judge(case, others=pass_others).reply.accepts)
    return found


async def test_under_another_quota_the_excess_would_be_refused():
    assert await judged(past(5), {"messages": 3}) == [True, True, True, False, False]


async def test_what_others_refuse_costs_nothing():
    assert await judged(past(5, refused=(0, 1)), {"messages": 2}) == [True, True, True, True, False]


async def test_what_others_would_refuse_now_costs_nothing():
    assert await judged(past(4), {"messages": 2}, m1=False) == [True, True, True, False]


async def test_an_hour_is_over_after_an_hour():
    found = await judged(past(70), {"messages": {"limit": 10, "per": "1 hour"}})
    assert found[:10] == [True] * 10
    assert found[10:60] == [False] * 50
    assert found[60:70] == [True] * 10


async def test_first_time_recipients_are_met_on_the_way():
    assert await judged(past(3), {"first_time_recipients": 1}) == [True, True, True]


async def test_a_section_that_cant_be_read_is_refused_with_its_place():
    with pytest.raises(RefusedSection) as refused:
        await judged([], {"messages": "many"})
    assert refused.value.where[:2] == ("quotas", "messages")


def test_the_modules_that_a_process_asks_for_are_there():
    from varco_ratelimit import replay  # noqa: PLC0415 - as the process does it

    assert replay.SETTINGS is Settings
    assert replay.voter(Settings()).voter == VOTER
    assert "events.ratelimit.quota-set.*" in replay.settings_view(Settings()).filters
