"""The mails whose outcome would change, counted by sender and by rule. Pure."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from varco_audit.replay.output_lines import MailLine
from varco_common.eventsourcing.replay.frames import ChangedVote, ReplayedMail
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict


class WhatIfOutcome(StrEnum):
    """How the outcome of a mail would change."""

    REFUSED = "would be refused"
    PASSED = "would be let through"
    PAST_ENVELOPE = "would get past the envelope, body unknown"
    CONVERTED = "would have other attachments turned into links"


class MailVotes:
    """The votes about a mail: as they were, and those that would change."""

    __slots__ = ("again", "early", "mail", "votes")

    def __init__(self, mail: ReplayedMail, votes: tuple[Vote, ...], *, early: bool) -> None:
        self.mail, self.votes, self.early = mail, votes, early
        self.again: tuple[Vote, ...] = ()

    def passes(self, *, without: str) -> bool:
        """Whether all voters but one would accept it. False after an early refusal."""
        return not self.early and all(vote.reply.accepts for vote in self._changed_votes() if vote.voter != without)

    def change(self) -> MailLine | None:
        """None if the outcome would be the same."""
        if self.early:
            first = self.votes[0]
            reply = first.reply.value
            return MailLine(WhatIfOutcome.PAST_ENVELOPE, self.mail, first.voter, reply, first.reason, before=reply)
        voters, changed = [vote.voter for vote in self.votes], self._changed_votes()
        before, after = verdict(self.votes, voters), verdict(changed, voters)
        line = None
        if before.accepted and not after.accepted:
            line = self._decided_by(WhatIfOutcome.REFUSED, after.reply, changed)
        elif after.accepted and not before.accepted:
            line = self._decided_by(WhatIfOutcome.PASSED, before.reply, self.votes)
        elif after.accepted and {*after.convert} != {*before.convert}:
            reason = f"{len(after.convert)} parts, {len(before.convert)} before"
            line = MailLine(WhatIfOutcome.CONVERTED, self.mail, "filelink", "links", reason)
        return line and replace(line, before=before.reply.value, after=after.reply.value)

    def _changed_votes(self) -> list[Vote]:
        again = {vote.voter: vote for vote in self.again}
        return [again.get(vote.voter, vote) for vote in self.votes]

    def _decided_by(self, outcome: WhatIfOutcome, reply: Reply, votes: Iterable[Vote]) -> MailLine:
        vote = next((vote for vote in votes if vote.reply is reply), None)
        if vote is None:  # a yes that depends on links which would not be made
            return MailLine(outcome, self.mail, "policy", reply.value, "the links that it needs would not be made")
        return MailLine(outcome, self.mail, vote.voter, reply.value, vote.reason)


class WhatIfVotes:
    """The votes about all mails of one what-if."""

    def __init__(self) -> None:
        self._mails: dict[tuple[str, int], MailVotes] = {}
        self._distinct: dict[tuple[object, ...], Vote] = {}

    def add(self, changed: ChangedVote) -> None:
        """A mail that was refused by its envelope may have come again: these count as two."""
        place = (changed.mail.id, changed.mail.sequence)
        votes = self._mails.get(place)
        if votes is None:
            as_they_were = tuple(map(self._outcome, changed.votes))
            self._mails[place] = votes = MailVotes(changed.mail, as_they_were, early=changed.early)
        votes.again = (*votes.again, self._outcome(changed.again))

    def _outcome(self, vote: Vote) -> Vote:
        """What of the vote decides. Most votes are alike then, and a million mails share them."""
        decisive = (vote.voter, vote.reply, vote.reason, vote.convert, vote.counts_on)
        if (known := self._distinct.get(decisive)) is None:
            known = self._distinct[decisive] = replace(vote, text="", sequence=0, figures={})
        return known

    def passing(self, *, without: str) -> dict[str, bool]:
        """By mail id, whether all voters but one would accept the mail."""
        return {votes.mail.id: votes.passes(without=without) for votes in self._mails.values() if not votes.early}

    def changes(self) -> Iterator[MailLine]:
        return filter(None, (votes.change() for votes in self._mails.values()))


class WhatIfTally:
    """Numbers of changed mails: by outcome, by sender and outcome, by rule and outcome.

    Keeps the newest of them, `examples` at most.
    """

    def __init__(self, examples: int = 0) -> None:
        self._max_examples = examples
        self._added = 0  # orders mails of the same time
        self._newest: list[tuple[datetime, int, MailLine]] = []
        self.outcomes: Counter[str] = Counter()
        self.senders: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rules: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, changed: MailLine) -> None:
        self.outcomes[changed.outcome] += 1
        self.senders[changed.mail.sender or "<>"][changed.outcome] += 1
        self.rules[f"{changed.voter}: {changed.rule}"][changed.outcome] += 1
        self._added += 1
        heapq.heappush(self._newest, (changed.mail.at, self._added, changed))
        if len(self._newest) > self._max_examples:
            heapq.heappop(self._newest)

    def newest(self) -> Iterator[MailLine]:
        """The newest first."""
        return (line for *_, line in sorted(self._newest, reverse=True))
