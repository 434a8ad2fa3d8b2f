"""What each service gives to a rehearsal: its pure core, on a state of any time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from varco_common.events import AnyEvent, Event
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest

CLOCK = "clock"  # the figure in a vote that says when it was decided, in whatever unit its voter likes
EARLY = "ingress-smtp"  # whose vote stands alone where the envelope was enough for a refusal


class PastDecision(NamedTuple):
    """Where an accepted mail's record lies: its sequence in MAIL, and when MAIL stored it."""

    sequence: int
    at: datetime


class ReplayCase(NamedTuple):
    """A mail as it was decided. `sequence` is that of the event that tells of it; `passed` is None where it was refused."""

    sequence: int
    ballot: Ballot
    votes: tuple[Vote, ...]
    reply: Reply
    passed: PastDecision | None
    convert: tuple[str, ...] = ()

    @property
    def envelope(self) -> Envelope:
        return self.ballot.envelope

    @property
    def manifest(self) -> Manifest:
        return self.ballot.manifest

    @property
    def early(self) -> bool:
        """Refused by ingress itself: nobody else was asked."""
        return len(self.votes) == 1 and self.votes[0].voter == EARLY

    def vote(self, voter: str) -> Vote | None:
        return next((vote for vote in self.votes if vote.voter == voter), None)


class UnclearDecision(NamedTuple):
    """Why a vote can't be cast again: a word to count by."""

    why: str


class SettingsLine(NamedTuple):
    """One change that a section of an account's file makes: for people, and as the event that would make it.

    `text` is empty where it is so already.
    """

    text: str
    event: Event


Sections = Mapping[str, Mapping[str, Any]]  # by section and what in it: plain values, as JSON has them


class SettingsView(Protocol):
    """A service's settings as they can be shown, folded event by event."""

    shows: tuple[str, ...]  # the events (subject filters) that make them

    def begin(self, account: str, at: datetime, *, own: bool) -> None:
        """Whose settings are meant, and at what time; `own`: without what is not the account's own business."""

    def apply(self, sequence: int, event: AnyEvent) -> str | None:
        """Folds one event in; the key of the state that it may have changed, None where that is nobody's concern here."""

    def sections(self, key: str) -> Sections:
        """What that state says now. Parts that didn't change should be the same objects as before: then it is fast."""


class ReplayableVoter(Protocol):
    """A voter that can decide again. It learns all settings first, then meets the mails in order."""

    voter: str
    settings: tuple[str, ...]  # the events (subject filters) that make its state

    def learn(self, sequence: int, event: AnyEvent) -> None:
        """One event of `settings`, in order."""

    def warm_up(self, *, assumed: bool) -> timedelta:
        """How long before the first ballot the mails must be met that still matter to it."""

    def recorded(self, case: ReplayCase) -> Vote | None:
        """What is on record, and is to come out again; None where it said nothing."""

    def needs(self, vote: Vote) -> int:
        """The sequence in MAIL up to which mails must have been met before this vote can be cast again; 0: none."""

    def met(self, case: ReplayCase) -> None:
        """A mail that passed, in MAIL's order; the ballots that need it come after."""

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        """The vote as it must have been."""

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:
        """From now on the account's settings are changed by these. Raises RefusedSection."""

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        """What the owner makes of the sections, on the newest state. Raises RefusedSection."""

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:
        """The vote under what is assumed; None where nothing can be said. `others`: whether all others let the mail pass."""


class EachAlone:
    """What is alike in voters that judge each mail by itself: no other mail matters to them."""

    voter: str

    def warm_up(self, *, assumed: bool) -> timedelta:  # noqa: ARG002
        return timedelta()

    def recorded(self, case: ReplayCase) -> Vote | None:
        return case.vote(self.voter)

    def needs(self, vote: Vote) -> int:  # noqa: ARG002
        return 0

    def met(self, case: ReplayCase) -> None:
        """Nothing to note."""


class RefusedSection(Exception):
    """A section of an account file that its owner doesn't take; `where` is its place in the file."""

    def __init__(self, why: str, where: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.where = where
