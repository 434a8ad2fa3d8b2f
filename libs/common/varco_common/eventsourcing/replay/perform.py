"""Carries out one question: reads EVENTS, has the service decide, says what comes of it."""

import heapq
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import count

from msgspec import Raw

from varco_common.bus import Bus, UnreadableEvent
from varco_common.events import decode_event, encode_event
from varco_common.eventsourcing.replay import state
from varco_common.eventsourcing.replay.cases import case_of, mail_of, told
from varco_common.eventsourcing.replay.compare import differing, other_outcome
from varco_common.eventsourcing.replay.frames import (
    AnyReplayQuestion,
    ChangedVote,
    PlannedChange,
    PlanQuestion,
    ReplayDone,
    ReplayFailed,
    ReplayProgress,
    StateQuestion,
    UnreadableMail,
    VerifyQuestion,
    VoteDifference,
    VoteOutcomes,
    WhatIfQuestion,
)
from varco_common.eventsourcing.replay.replayable import (
    CLOCK,
    RefusedSection,
    ReplayableVoter,
    ReplayCase,
    SettingsView,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.result_stream import ResultStream
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply

_Waiting = tuple[int, int, ReplayCase, Vote]  # for which record of MAIL; which came first
_BEGINNING = datetime.min.replace(tzinfo=UTC)
MOST_WAITING = 10_000  # refusals that wait for what passed before them
COUNTED = ("mails", "votes", "differences", "silent", "early", "unclear", "changed")


async def perform(
    bus: Bus,
    question: AnyReplayQuestion,
    talk: ResultStream,
    *,
    voter: ReplayableVoter | None,
    shown: SettingsView | None,
) -> None:
    """From the question to Done or Failed. Raises Unheard, and TransientError where the bus is away."""
    try:
        match question:
            case VerifyQuestion() if voter:
                counts = await Verifying(bus, question, talk, voter).run()
            case WhatIfQuestion() if voter:
                counts = await Imagining(bus, question, talk, voter).run()
            case PlanQuestion() if voter:
                counts = await _plan(bus, question, talk, voter)
            case StateQuestion() if shown:
                counts = await state.tell(bus, question, talk, shown)
            case _:
                await talk.ask(ReplayFailed(why="this service can't answer that"))
                return
    except RefusedSection as refusal:
        await talk.ask(ReplayFailed(why=str(refusal), where=refusal.where))
        return
    await talk.ask(ReplayDone(counts=counts))


async def _learn(bus: Bus, talk: ResultStream, voter: ReplayableVoter, last: int) -> None:
    async with aclosing(bus.events.read(*voter.settings, after=0, last=last)) as events:
        async for one in events:
            if isinstance(one, UnreadableEvent):
                await talk.say(UnreadableMail(sequence=one.sequence, why=one.why))
            else:
                voter.learn(one.sequence, one.event)
            if talk.due:
                await talk.flush()  # still at work


async def _plan(bus: Bus, question: PlanQuestion, talk: ResultStream, voter: ReplayableVoter) -> dict[str, int]:
    await _learn(bus, talk, voter, question.last)
    lines = await voter.plan(question.account, question.sections, datetime.now(UTC))
    for line in lines:
        await talk.say(PlannedChange(line=line.text, event=Raw(encode_event(line.event))))
    return {"changes": len(lines)}


class _Mails:
    """The cases of a question, in the order of EVENTS, with a little of what came before."""

    def __init__(
        self, bus: Bus, question: VerifyQuestion | WhatIfQuestion, talk: ResultStream, voter: ReplayableVoter
    ) -> None:
        self.bus, self.question, self.talk, self.voter = bus, question, talk, voter
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))

    async def cases(self, *, assumed: bool) -> AsyncIterator[ReplayCase]:
        """From the warm-up on. `asked` says which of them the question is about."""
        question = self.question
        warm_up = self.voter.warm_up(assumed=assumed)
        first = await self.bus.events.first_at(max(question.since, _BEGINNING + warm_up) - warm_up)
        filters = told(question.account)
        async with aclosing(self.bus.events.read(*filters, after=first - 1, last=question.last)) as events:
            async for one in events:
                if isinstance(one, UnreadableEvent):
                    await self.talk.say(UnreadableMail(sequence=one.sequence, why=one.why))
                    continue
                if case := case_of(one):
                    yield case
                if self.talk.due:
                    mails = self.counts["mails"]
                    await self.talk.say(
                        ReplayProgress(sequence=one.sequence, first=first, last=question.last, mails=mails)
                    )

    def asked(self, case: ReplayCase) -> bool:
        return self.question.since <= case.envelope.received_at < self.question.until


class Verifying(_Mails):
    """Each vote again, as it was. A vote that needs mails which weren't met yet waits for them."""

    async def run(self) -> dict[str, int]:
        await _learn(self.bus, self.talk, self.voter, self.question.last)
        waiting: list[_Waiting] = []
        turn, reached = count(), 0
        async for case in self.cases(assumed=False):
            if vote := self._vote(case):
                if (needs := self.voter.needs(vote)) > reached and not case.passed:
                    heapq.heappush(waiting, (needs, next(turn), case, vote))
                else:
                    await self._decide(case, vote)
            if case.passed:
                self.voter.met(case)
                reached = case.passed.sequence
                while waiting and waiting[0][0] <= reached:
                    await self._decide(*heapq.heappop(waiting)[2:])
        await self._rest(waiting)
        return dict(self.counts)

    async def _rest(self, waiting: list[_Waiting]) -> None:
        """What still waits for mails, waits for others' accounts', or for some that aren't in EVENTS yet."""
        assert isinstance(self.question, VerifyQuestion)
        if not self.question.complete:
            self.counts["unclear"] += len(waiting)
            return
        for _, _, case, vote in sorted(waiting):
            await self._decide(case, vote)

    def _vote(self, case: ReplayCase) -> Vote | None:
        """The vote to cast again; None, and counted as what it is, where there is none."""
        if not self.asked(case):
            return None
        self.counts["mails"] += 1
        if case.early:
            self.counts["early"] += 1
            return None
        vote = self.voter.recorded(case)
        if vote is None or vote.reply is Reply.SERVICE_MISSING:
            self.counts["silent"] += 1
            return None
        return vote

    async def _decide(self, case: ReplayCase, recorded: Vote) -> None:
        again = self.voter.decide(case, recorded)
        if isinstance(again, UnclearDecision):
            self.counts["unclear"] += 1
            return
        self.counts["votes"] += 1
        if fields := differing(recorded, again):
            self.counts["differences"] += 1
            await self.talk.say(
                VoteDifference(
                    mail=mail_of(case), voter=self.voter.voter, fields=fields, recorded=recorded, again=again
                )
            )


class Imagining(_Mails):
    """Each mail of the account again, under changed settings. Other voters' votes stand as they were cast."""

    async def run(self) -> dict[str, int]:
        question = self.question
        assert isinstance(question, WhatIfQuestion)
        outcomes = await self._outcomes() if question.staged else {}
        await _learn(self.bus, self.talk, self.voter, question.last)
        assumed = [decode_event(bytes(event)) for event in question.assumed]
        await self.voter.assume(question.account, question.sections, assumed)
        async for case in self._in_turn():
            others = outcomes.get(case.envelope.id)
            await self._judge(case, others=_others(case, self.voter.voter) if others is None else others)
        return dict(self.counts)

    async def _in_turn(self) -> AsyncIterator[ReplayCase]:
        """As they were decided: a refusal is in EVENTS at once, what passed before it only when the scribe has written it."""
        waiting: list[tuple[int, int, ReplayCase]] = []
        async for case in self.cases(assumed=True):
            clock = self._clock(case)
            if clock and not case.passed:
                heapq.heappush(waiting, (clock, case.sequence, case))
            while waiting and (len(waiting) > MOST_WAITING or (case.passed and waiting[0][0] <= clock)):
                yield heapq.heappop(waiting)[2]
            if case.passed or not clock:
                yield case
        for *_, case in sorted(waiting):
            yield case

    def _clock(self, case: ReplayCase) -> int:
        """The voter's own, as its vote has it; 0 where the order means nothing to it."""
        vote = case.vote(self.voter.voter)
        return vote.figures.get(CLOCK, 0) if vote else 0

    async def _judge(self, case: ReplayCase, *, others: bool) -> None:
        again = self.voter.judge(case, others=others)
        if not self.asked(case):
            return
        self.counts["mails"] += 1
        if case.early:
            self.counts["early"] += 1
        elif case.reply is Reply.SERVICE_MISSING:
            self.counts["silent"] += 1
        recorded = case.votes[0] if case.early else case.vote(self.voter.voter)
        if again is None or recorded is None or recorded.reply is Reply.SERVICE_MISSING:
            return
        if not other_outcome(recorded, again):
            return
        self.counts["changed"] += 1
        await self.talk.say(
            ChangedVote(mail=mail_of(case), voter=self.voter.voter, again=again, votes=case.votes, early=case.early)
        )

    async def _outcomes(self) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for page in count():
            go = await self.talk.ask(VoteOutcomes(page=page))
            found |= go.outcomes
            if not go.more:
                break
        return found


def _others(case: ReplayCase, voter: str) -> bool:
    """Whether all others let the mail pass, as it was."""
    return all(vote.reply.accepts for vote in case.votes if vote.voter != voter)
