"""What if: each mail of an account is decided again under changed settings.

Other voters' votes stay as they were.
"""

import heapq
from collections.abc import AsyncIterator
from itertools import count

from varco_common.events import decode_event
from varco_common.eventsourcing.replay.cases import mail_of
from varco_common.eventsourcing.replay.frames import ChangedVote, VoteOutcomes, WhatIfQuestion
from varco_common.eventsourcing.replay.mail_replay import MailReplay, is_silent
from varco_common.eventsourcing.replay.replayable import ReplayCase
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply

_MAX_WAITING = 10_000  # refusals that wait for the mails that were accepted before them; bounds the memory


class WhatIf(MailReplay[WhatIfQuestion]):
    """Takes the mails in the order of their decisions: one that passes counts for the next."""

    async def run(self) -> dict[str, int]:
        question = self.question
        outcomes = await self._outcomes() if question.staged else {}
        await self.load_settings()
        assumed = [decode_event(bytes(event)) for event in question.assumed]
        await self.voter.assume(question.account, question.sections, assumed)
        async for case in self._as_decided():
            others = outcomes.get(case.envelope.id)
            await self._judge(case, others=self._others_accept(case) if others is None else others)
        return dict(self.counts)

    async def _as_decided(self) -> AsyncIterator[ReplayCase]:
        """A refusal is in EVENTS at once, an accepted mail only when audit has recorded it.

        Refusals wait for those.
        """
        waiting: list[tuple[int, int, ReplayCase]] = []
        async for case in self.cases(assumed=True):
            decided_at = self._decided_at(case)
            if decided_at and not case.passed:
                heapq.heappush(waiting, (decided_at, case.sequence, case))
            while waiting and (len(waiting) > _MAX_WAITING or (case.passed and waiting[0][0] <= decided_at)):
                yield heapq.heappop(waiting)[2]
            if case.passed or not decided_at:
                yield case
        for *_, case in sorted(waiting):
            yield case

    def _decided_at(self, case: ReplayCase) -> int:
        vote = case.vote(self.voter.voter)
        return self.voter.decided_at(vote) if vote else 0

    def _others_accept(self, case: ReplayCase) -> bool:
        return all(vote.reply.accepts for vote in case.votes if vote.voter != self.voter.voter)

    async def _judge(self, case: ReplayCase, *, others: bool) -> None:
        again = self.voter.judge(case, others=others)
        if not self.in_question(case):
            return
        self.counts["mails"] += 1
        if case.early:
            self.counts["early"] += 1
        elif case.reply is Reply.SERVICE_MISSING:
            self.counts["silent"] += 1
        recorded = case.votes[0] if case.early else case.vote(self.voter.voter)
        if again is None or recorded is None or is_silent(recorded) or not other_outcome(recorded, again):
            return
        self.counts["changed"] += 1
        mail, voter = mail_of(case), self.voter.voter
        await self.results.add(ChangedVote(mail=mail, voter=voter, again=again, votes=case.votes, early=case.early))

    async def _outcomes(self) -> dict[str, bool]:
        """By mail id: whether all other voters would accept the mail under the changed settings."""
        outcomes: dict[str, bool] = {}
        for page in count():
            reply = await self.results.send(VoteOutcomes(page=page))
            outcomes |= reply.outcomes
            if not reply.more:
                break
        return outcomes


def other_outcome(recorded: Vote, again: Vote) -> bool:
    """Whether the mail would be treated differently; the wording of the votes does not matter."""
    links = recorded.convert != again.convert or recorded.counts_on != again.counts_on
    return links or recorded.reply.accepts != again.reply.accepts
