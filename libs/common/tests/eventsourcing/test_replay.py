"""Replays read EVENTS in order, and decide each vote when the mails it needs are counted."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from varco_common.bus.streams import manager
from varco_common.events import AccountOpened, Language, MailRecorded, MailRefused, SenderAuthorised, SenderWithdrawn
from varco_common.eventsourcing.replay.frames import (
    BatchReply,
    ReplayDone,
    ReplayFailed,
    UnreadableMail,
    VerifyQuestion,
    VoteDifference,
    WhatIfQuestion,
)
from varco_common.eventsourcing.replay.perform import perform
from varco_common.eventsourcing.replay.replayable import UnclearDecision
from varco_common.eventsourcing.replay.settings_history import _REMEMBERED, SettingsHistory
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest

NOW = datetime.now(UTC)
VOTER = "counter"


class Receiver:
    """Receives all frames at once."""

    def __init__(self) -> None:
        self.frames = []
        self.due = False

    async def add(self, frame) -> None:
        self.frames.append(frame)

    async def send(self, frame) -> BatchReply:
        self.frames.append(frame)
        return BatchReply()

    async def flush(self) -> BatchReply:
        return BatchReply()

    def of(self, kind: type) -> list:
        return [frame for frame in self.frames if isinstance(frame, kind)]


class Counter:
    """A voter whose reason is how many mails it had met when it decided.

    A vote says in `needs` how far that must be.
    """

    voter, settings = VOTER, ()

    def __init__(self) -> None:
        self.met_so_far: list[int] = []
        self.judged: list[str] = []

    def apply_event(self, sequence, event) -> None: ...

    def warm_up(self, *, assumed: bool) -> timedelta:
        return timedelta(hours=1)

    def recorded(self, case):
        return case.vote(VOTER)

    def needs(self, vote: Vote) -> int:
        return vote.figures.get("needs", 0)

    def decided_at(self, vote: Vote) -> int:
        return vote.figures.get("clock", 0)

    def count_passed(self, case) -> None:
        self.met_so_far.append(case.passed.sequence)

    async def assume(self, account, sections, assumed) -> None: ...

    def judge(self, case, *, others: bool) -> Vote:
        self.judged.append(case.vote(VOTER).reason)
        return case.vote(VOTER)

    def decide(self, case, recorded: Vote):
        if "needs" not in recorded.figures:
            return UnclearDecision("no figures")
        met = sum(sequence <= self.needs(recorded) for sequence in self.met_so_far)
        return replace(recorded, reason=f"{met} before")


def vote(needs: int, reason: str, reply: Reply = Reply.TOO_BIG) -> Vote:
    return Vote(voter=VOTER, reply=reply, reason=reason, figures={"needs": needs})


def ballot(account="acme") -> Ballot:
    envelope = Envelope(id="m", account=account, sender="", recipients=("r",), host="", received_at=NOW)
    return Ballot(envelope=envelope, manifest=Manifest())


def refused(*votes: Vote, account="acme") -> MailRefused:
    return MailRefused(at=NOW, ballot=ballot(account), votes=votes, reply=Reply.TOO_BIG, answer="")


def recorded(sequence: int, *votes: Vote, account="acme", kind="accepted") -> MailRecorded:
    one = ballot(account)
    record = MailAccepted(envelope=one.envelope, manifest=one.manifest, votes=votes, body=BodyReference(size=1))
    return MailRecorded(at=NOW, sequence=sequence, kind=kind, stored_at=NOW, record=record)


async def heard(bus, *events, account="", complete=True) -> Receiver:
    for event in events:
        await bus.events.append(event)
    listener, hour = Receiver(), timedelta(hours=1)
    last = await bus.events.last_sequence("events.>")
    question = VerifyQuestion(
        frames="", last=last, since=NOW - hour, until=NOW + hour, account=account, complete=complete
    )
    await perform(bus, question, listener, voter=Counter(), view=None)
    return listener


def counts(listener: Receiver) -> dict[str, int]:
    (done,) = listener.of(ReplayDone)
    return {name: count for name, count in done.counts.items() if count}


async def test_a_vote_waits_for_the_mails_that_it_had_counted(bus):
    listener = await heard(
        bus,
        refused(vote(2, "2 before")),  # written before the scribe had come as far
        recorded(1, vote(0, "0 before", Reply.ACCEPTED)),
        recorded(2, vote(1, "1 before", Reply.ACCEPTED)),
        recorded(3, vote(1, "1 before", Reply.ACCEPTED)),  # it was voted on before the second was counted
        refused(vote(3, "3 before")),
    )
    assert counts(listener) == {"mails": 5, "votes": 5}


async def test_under_other_rules_mails_come_in_the_order_of_their_votes(bus):
    def at(clock: int, reply: Reply = Reply.ACCEPTED) -> Vote:
        return Vote(voter=VOTER, reply=reply, reason=str(clock), figures={"clock": clock})

    for event in (
        refused(at(3, Reply.TOO_BIG)),  # written before the scribe had come as far
        recorded(1, at(1)),
        recorded(2, at(2)),
        recorded(3, at(4)),
        refused(at(6, Reply.TOO_BIG)),
        refused(at(5, Reply.TOO_BIG)),
    ):
        await bus.events.append(event)
    voter, hour, last = Counter(), timedelta(hours=1), await bus.events.last_sequence("events.>")
    question = WhatIfQuestion(frames="", last=last, since=NOW - hour, until=NOW + hour, account="acme")
    await perform(bus, question, Receiver(), voter=voter, view=None)
    assert voter.judged == ["1", "2", "3", "4", "5", "6"]


async def test_a_vote_that_comes_out_otherwise_is_told_with_both_reasons(bus):
    listener = await heard(bus, recorded(1), refused(vote(1, "9 before")))
    (difference,) = listener.of(VoteDifference)
    assert (difference.voter, difference.fields) == (VOTER, ("reason",))
    assert (difference.recorded.reason, difference.again.reason) == ("9 before", "1 before")
    assert difference.mail.sequence == 2


async def test_there_is_no_warming_up_before_the_beginning_of_time(bus):
    await bus.events.append(recorded(1, vote(0, "0 before", Reply.ACCEPTED)))
    listener, begin = Receiver(), datetime.min.replace(tzinfo=UTC)
    question = VerifyQuestion(frames="", last=1, since=begin, until=NOW + timedelta(hours=1), account="", complete=True)
    await perform(bus, question, listener, voter=Counter(), view=None)
    assert counts(listener) == {"mails": 1, "votes": 1}


async def test_one_account_alone_waits_for_nobody_elses_mails(bus):
    events = (recorded(1), recorded(2, account="beta"), refused(vote(2, "1 before")))
    assert counts(await heard(bus, *events, account="acme")) == {"mails": 2, "votes": 1, "silent": 1}


async def test_what_isnt_written_down_yet_is_no_difference(bus):
    listener = await heard(bus, refused(vote(5, "5 before")), complete=False)
    assert counts(listener) == {"mails": 1, "unclear": 1}


async def test_what_was_no_vote_is_counted_as_what_it_was(bus):
    listener = await heard(
        bus,
        refused(Vote(voter="ingress-smtp", reply=Reply.TOO_BIG)),
        refused(accept("another"), Vote(voter="third", reply=Reply.TOO_BIG)),
        refused(vote(0, "", Reply.SERVICE_MISSING)),
        refused(accept(VOTER)),
        recorded(1, kind="copy"),
    )
    assert counts(listener) == {"mails": 4, "early": 1, "silent": 2, "unclear": 1}


async def test_an_event_that_cant_be_read_is_told_and_not_parked(nats, bus):
    async with manager(nats.settings()) as raw:
        await raw.jetstream().publish("events.ingress-smtp.mail-refused.acme", b"{}")
    listener = await heard(bus, recorded(1))
    (unreadable,) = listener.of(UnreadableMail)
    assert unreadable.sequence == 1
    assert await bus.events.last_sequence("events.>") == 2


async def test_what_a_service_cant_answer_it_says(bus):
    listener = Receiver()
    await perform(
        bus, WhatIfQuestion(frames="", last=0, since=NOW, until=NOW, account="acme"), listener, voter=None, view=None
    )
    assert len(listener.of(ReplayFailed)) == 1


def test_a_state_is_as_of_any_sequence_however_long_the_past_is():
    history: SettingsHistory[tuple[str, ...]] = SettingsHistory(folded)
    history.apply_event(1, AccountOpened(at=NOW, account="acme", language=Language.EN))
    for number in range(2 * _REMEMBERED):
        kind = SenderWithdrawn if number % 3 == 2 else SenderAuthorised
        history.apply_event(10 * number + 10, kind(at=NOW, account="acme", pattern=f"s{number // 3}"))
    newest = history.as_of("acme", 10**6)
    assert history.as_of("acme", 25) == ("s0",)  # from the first event again
    assert history.as_of("acme", 1) == ()
    assert history.as_of("acme", 0) is None
    assert history.as_of("acme", 10**6) == newest
    assert history.as_of("beta", 10**6) is None
    for name in ("acme", "beta"):
        assert history.version(name, 10**6) is history.version(name, 10**7)


def folded(state, event):
    match event:
        case AccountOpened():
            return ()
        case SenderAuthorised(pattern=pattern):
            return tuple(dict.fromkeys((*state, pattern)))
        case SenderWithdrawn(pattern=pattern):
            return tuple(one for one in state if one != pattern)
