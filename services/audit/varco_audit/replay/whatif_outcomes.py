"""What changed votes come to: the mails that would fare otherwise, counted by sender and by rule. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from varco_common.eventsourcing.replay.frames import ChangedVote, ReplayedMail
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict


class WhatIfOutcome(StrEnum):
    """How a mail would fare, as against how it did."""

    REFUSED = "would be refused"
    PASSED = "would be let through"
    PAST_ENVELOPE = "would get past the envelope, body unknown"
    CONVERTED = "would have other attachments turned into links"


class ChangedMail(NamedTuple):
    """One mail that would fare otherwise; `voter` and `rule` are what decides that, or did."""

    outcome: WhatIfOutcome
    mail: ReplayedMail
    voter: str
    rule: str
    reason: str


class MailVotes:
    """A mail with a vote that would be another: its votes as they were, and as they would be."""

    __slots__ = ("again", "early", "mail", "votes")

    def __init__(self, changed: ChangedVote) -> None:
        self.mail, self.votes, self.early = changed.mail, changed.votes, changed.early
        self.again: dict[str, Vote] = {}

    def passes(self, *, without: str) -> bool:
        """Whether all others than one would let it through; of what was refused early nobody knows."""
        return not self.early and all(self._now(vote).reply.accepts for vote in self.votes if vote.voter != without)

    def found(self) -> ChangedMail | None:
        """None where it would fare as it did."""
        if self.early:
            return self._past_envelope()
        voters = [vote.voter for vote in self.votes]
        before, now = verdict(self.votes, voters), verdict([*map(self._now, self.votes)], voters)
        if before.accepted and not now.accepted:
            return self._by(WhatIfOutcome.REFUSED, now.reply, map(self._now, self.votes))
        if now.accepted and not before.accepted:
            return self._by(WhatIfOutcome.PASSED, before.reply, self.votes)
        if now.accepted and {*now.convert} != {*before.convert}:
            parts = len(now.convert)
            return ChangedMail(
                WhatIfOutcome.CONVERTED, self.mail, "filelink", "links", f"{parts} parts, {len(before.convert)} before"
            )
        return None

    def _now(self, vote: Vote) -> Vote:
        return self.again.get(vote.voter, vote)

    def _past_envelope(self) -> ChangedMail:
        first = self.votes[0]
        return ChangedMail(WhatIfOutcome.PAST_ENVELOPE, self.mail, first.voter, first.reply.value, first.reason)

    def _by(self, outcome: WhatIfOutcome, reply: Reply, votes: Iterable[Vote]) -> ChangedMail:
        vote = next((vote for vote in votes if vote.reply is reply), None)
        if vote is None:  # a yes that counted on links which nobody would make
            return ChangedMail(outcome, self.mail, "policy", reply.value, "the links that it needs would not be made")
        return ChangedMail(outcome, self.mail, vote.voter, reply.value, vote.reason)


class WhatIfVotes:
    """All cases of one what-if, by mail."""

    def __init__(self) -> None:
        self._cases: dict[str, MailVotes] = {}

    def add(self, changed: ChangedVote) -> None:
        """One mail may be refused by its envelope, and come again after that: these are two."""
        key = f"{changed.mail.id} {changed.mail.sequence}"
        case = self._cases.get(key)
        if case is None:
            self._cases[key] = case = MailVotes(changed)
        case.again[changed.voter] = changed.again

    def passing(self, *, without: str) -> dict[str, bool]:
        """By mail id, whether all others than one would let it through."""
        return {case.mail.id: case.passes(without=without) for case in self._cases.values() if not case.early}

    def found(self) -> Iterator[ChangedMail]:
        return filter(None, (case.found() for case in self._cases.values()))


class WhatIfTally:
    """Counts what was found."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.senders: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rules: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, found: ChangedMail) -> None:
        self.outcomes[found.outcome] += 1
        self.senders[found.mail.sender or "<>"][found.outcome] += 1
        self.rules[f"{found.voter}: {found.rule}"][found.outcome] += 1
