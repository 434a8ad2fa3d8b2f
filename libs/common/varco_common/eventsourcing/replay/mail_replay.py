"""What verify and what-if share.

The mails of a question, in the order of EVENTS, and the counts.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Generic, TypeVar

from varco_common.bus import Bus, UnreadableEvent
from varco_common.eventsourcing.replay.cases import case_of, mail_filters
from varco_common.eventsourcing.replay.frames import ReplayProgress, UnreadableMail, VerifyQuestion, WhatIfQuestion
from varco_common.eventsourcing.replay.replayable import ReplayableVoter, ReplayCase
from varco_common.eventsourcing.replay.result_stream import ResultStream, read_settings
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply

Q = TypeVar("Q", bound=VerifyQuestion | WhatIfQuestion)

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_COUNTS = ("mails", "votes", "differences", "silent", "early", "unclear", "changed")


class MailReplay(Generic[Q]):
    """`counts` has every total of ReplayDone, also those that stay 0."""

    def __init__(self, bus: Bus, question: Q, results: ResultStream, voter: ReplayableVoter) -> None:
        self.bus, self.results, self.voter = bus, results, voter
        self.question: Q = question
        self.counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))

    async def cases(self, *, assumed: bool) -> AsyncIterator[ReplayCase]:
        """From the voter's warm-up on; `in_question` tells which of them are to be decided."""
        question = self.question
        warm_up = self.voter.warm_up(assumed=assumed)
        filters = mail_filters(question.account)
        first = await self.bus.events.first_at(max(question.since, _BEGINNING + warm_up) - warm_up, *filters)
        async with aclosing(self.bus.events.read(*filters, after=first - 1, last=question.last)) as events:
            async for stored in events:
                if isinstance(stored, UnreadableEvent):
                    await self.results.add(UnreadableMail(sequence=stored.sequence, why=stored.why))
                    continue
                if case := case_of(stored):
                    yield case
                if self.results.due:
                    await self._report_progress(first, stored.sequence)

    async def load_settings(self) -> None:
        await load_settings(self.bus, self.question.last, self.results, self.voter)

    def in_question(self, case: ReplayCase) -> bool:
        return self.question.since <= case.envelope.received_at < self.question.until

    async def _report_progress(self, first: int, sequence: int) -> None:
        mails, last = self.counts["mails"], self.question.last
        await self.results.add(ReplayProgress(sequence=sequence, first=first, last=last, mails=mails))


async def load_settings(bus: Bus, last: int, results: ResultStream, voter: ReplayableVoter) -> None:
    """Gives the voter all events of its settings up to `last`."""
    await read_settings(
        bus, voter.settings, last, results, lambda stored: voter.apply_event(stored.sequence, stored.event)
    )


def is_silent(vote: Vote | None) -> bool:
    """Whether the voter cast no vote, or none in time."""
    return vote is None or vote.reply is Reply.SERVICE_MISSING
