"""The shapes of a trace."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class RecipientState(StrEnum):
    """What became of a mail for one recipient."""

    WAITING = "waiting"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    DROPPED = "dropped"
    REFUSED = "refused"


class StepTone(StrEnum):
    """How a step is meant: it went well, something waits, it went wrong, or it is just told."""

    GOOD = "good"
    WAITS = "waits"
    BAD = "bad"
    TOLD = "told"


@dataclass(frozen=True)
class MailSummary:
    """A mail in short, as it was put to the vote. `at` is when it was received, `answer` what the client heard."""

    mail: str
    account: str
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    size: int
    accepted: bool
    kind: str
    answer: str


@dataclass(frozen=True)
class SessionView:
    """Who gave the mail, from where, and how. Empty: not said; no login: the host's network is trusted."""

    host: str
    helo: str
    login: str
    tls: str
    listener: str


@dataclass(frozen=True)
class VoteView:
    """One vote. `sequence` is the event up to which the voter knew the rules; `figures` are the counters as they were."""

    voter: str
    reply: str
    reason: str
    text: str
    sequence: int
    figures: dict[str, int]
    convert: tuple[str, ...]


@dataclass(frozen=True)
class RecipientStatus:
    """Where one recipient stands. `answer` is the next hop's last word."""

    recipient: str
    state: RecipientState
    at: datetime | None = None
    attempts: int = 0
    host: str = ""
    answer: str = ""


@dataclass(frozen=True)
class TimelineStep:
    """One event of the story: `sequence` in EVENTS, when it happened, a sentence, and what else is to know."""

    sequence: int
    at: datetime
    fact: str
    tone: StepTone
    what: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailTimeline:
    """All of it. Without a ballot (its event isn't there any more, or not yet) session and votes are empty."""

    mail: str
    account: str
    ballot: MailSummary | None
    session: SessionView | None
    votes: tuple[VoteView, ...]
    fates: tuple[RecipientStatus, ...]
    steps: tuple[TimelineStep, ...]


@dataclass(frozen=True)
class Trace:
    """A story, where exactly one mail is meant; else the mails to choose from, newest first.

    `more`: there are other mails, or later events of the one, than are shown.

    `asked` says what the question was taken for: mail, message_id, recipient or sender.
    """

    asked: str
    story: MailTimeline | None
    mails: list[MailSummary] = field(default_factory=list)
    more: bool = False
