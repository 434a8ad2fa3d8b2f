"""Verify: each recorded vote is made again, as it was, and compared."""

import heapq
from itertools import count

from varco_common.eventsourcing.replay.cases import mail_of
from varco_common.eventsourcing.replay.frames import VerifyQuestion, VoteDifference
from varco_common.eventsourcing.replay.mail_replay import MailReplay, is_silent
from varco_common.eventsourcing.replay.replayable import ReplayCase, UnclearDecision
from varco_common.mail.ballot import Vote

COMPARED = ("reply", "reason", "text", "convert", "counts_on")  # the figures are inputs, taken from the recorded vote
_Waiting = tuple[int, int, ReplayCase, Vote]  # the sequence in MAIL that it needs; its place in the queue


class Verification(MailReplay[VerifyQuestion]):
    """A vote that needs mails which EVENTS has only later waits for them."""

    async def run(self) -> dict[str, int]:
        await self.load_settings()
        waiting: list[_Waiting] = []
        place, counted = count(), 0
        async for case in self.cases(assumed=False):
            if vote := self._vote_to_verify(case):
                if (needs := self.voter.needs(vote)) > counted and not case.passed:
                    heapq.heappush(waiting, (needs, next(place), case, vote))
                else:
                    await self._verify(case, vote)
            if case.passed:
                self.voter.count_passed(case)
                counted = case.passed.sequence
                while waiting and waiting[0][0] <= counted:
                    await self._verify(*heapq.heappop(waiting)[2:])
        await self._finish(waiting)
        return dict(self.counts)

    async def _finish(self, waiting: list[_Waiting]) -> None:
        """What still waits depends on mails of other accounts, or on mails not in EVENTS yet."""
        if not self.question.complete:
            self.counts["unclear"] += len(waiting)
            return
        for _, _, case, vote in sorted(waiting):
            await self._verify(case, vote)

    def _vote_to_verify(self, case: ReplayCase) -> Vote | None:
        """The recorded vote; None if there is nothing to verify (counted with its reason)."""
        if not self.in_question(case):
            return None
        self.counts["mails"] += 1
        if case.early:
            self.counts["early"] += 1
            return None
        vote = self.voter.recorded(case)
        if is_silent(vote):
            self.counts["silent"] += 1
            return None
        return vote

    async def _verify(self, case: ReplayCase, recorded: Vote) -> None:
        again = self.voter.decide(case, recorded)
        if isinstance(again, UnclearDecision):
            self.counts["unclear"] += 1
            return
        self.counts["votes"] += 1
        if fields := differing_fields(recorded, again):
            self.counts["differences"] += 1
            voter, mail = self.voter.voter, mail_of(case)
            await self.results.add(
                VoteDifference(mail=mail, voter=voter, fields=fields, recorded=recorded, again=again)
            )


def differing_fields(recorded: Vote, again: Vote) -> tuple[str, ...]:
    return tuple(name for name in COMPARED if getattr(recorded, name) != getattr(again, name))
