"""What a service offers to a replay: its pure decisions, on its state as of any time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from varco_common.events import AnyEvent, Event
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest


class PastDecision(NamedTuple):
    """The record of an accepted mail: its sequence in MAIL, and when MAIL stored it."""

    sequence: int
    at: datetime


class ReplayCase(NamedTuple):
    """A mail as it was decided.

    `sequence` is that of its event in EVENTS; a refused mail has no `passed`.

    `early`: refused by the service that received it, for its envelope; no other voter was asked.
    `required`: the voters that had to vote, where the event says so.
    """

    sequence: int
    ballot: Ballot
    votes: tuple[Vote, ...]
    reply: Reply
    passed: PastDecision | None
    convert: tuple[str, ...] = ()
    early: bool = False
    required: tuple[str, ...] = ()

    @property
    def envelope(self) -> Envelope:
        return self.ballot.envelope

    @property
    def manifest(self) -> Manifest:
        return self.ballot.manifest

    def vote(self, voter: str) -> Vote | None:
        return next((vote for vote in self.votes if vote.voter == voter), None)


class RefusedSection(Exception):
    """A section of an account file that the service refuses; `where` is the place in the file."""

    def __init__(self, why: str, where: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.where = where


class UnclearDecision(NamedTuple):
    """A vote that can't be made again, and why."""

    why: str


class SettingsLine(NamedTuple):
    """One change that a section of an account's file makes.

    A line for people, and the event that would make it.

    `text` is empty where the setting has that value already.
    """

    text: str
    event: Event


Sections = Mapping[str, Mapping[str, Any]]  # section -> item -> value, as JSON has it


class SettingsView(Protocol):
    """A service's settings in a form that can be shown, folded event by event."""

    filters: tuple[str, ...]  # subjects of the events that make the settings

    def begin(self, account: str, at: datetime, *, own: bool) -> None:
        """Starts anew for an account and a time.

        `own` leaves out what concerns other accounts as well.
        """

    def apply(self, sequence: int, event: AnyEvent) -> str | None:
        """Folds one event in.

        Returns the key of the state that may have changed; None: nothing to show changed.
        """

    def sections(self, key: str) -> Sections:
        """The state of that key now.

        Return unchanged parts as the same objects: then comparing is fast.
        """


class ReplayableVoter(Protocol):
    """A voter that can decide again.

    It gets all events of its settings first, then the mails in order.
    """

    voter: str
    settings: tuple[str, ...]  # subjects of the events that make its state

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        """One event of `settings`, in order."""

    def warm_up(self, *, assumed: bool) -> timedelta:
        """How long before the first ballot the mails begin that still matter to it."""

    def recorded(self, case: ReplayCase) -> Vote | None:
        """The recorded vote that is to come out again; None where it cast none."""

    def needs(self, vote: Vote) -> int:
        """Up to which sequence in MAIL mails must be counted before this vote; 0: none."""

    def decided_at(self, vote: Vote) -> int:
        """When the vote was decided, by the voter's own clock.

        0 where the order of mails doesn't matter to it.
        """

    def count_passed(self, case: ReplayCase) -> None:
        """A mail that passed, in MAIL's order; the ballots that need it come after."""

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        """The vote as it must have been."""

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:
        """Changes the account's settings for all that follows. Raises RefusedSection."""

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        """The changes that the sections would make to the newest state. Raises RefusedSection."""

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:
        """The vote under the assumed settings; None: no statement.

        `others`: all other voters accept the mail.
        """


class IndependentReplay:
    """The part that is alike in voters that judge each mail by itself.

    Other mails don't matter to them.
    """

    voter: str

    def warm_up(self, *, assumed: bool) -> timedelta:  # noqa: ARG002
        return timedelta()

    def recorded(self, case: ReplayCase) -> Vote | None:
        return case.vote(self.voter)

    def needs(self, vote: Vote) -> int:  # noqa: ARG002
        return 0

    def decided_at(self, vote: Vote) -> int:  # noqa: ARG002
        return 0

    def count_passed(self, case: ReplayCase) -> None:
        """Nothing to count."""


class ReplayWithoutSettings(IndependentReplay):
    """For voters that no section of an account's file concerns."""

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        raise RefusedSection("no section of an account's file concerns this vote")

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:  # noqa: ARG002
        return []

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002
        return None
