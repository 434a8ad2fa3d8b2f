"""A trace, as the API shows it."""

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
    """Whether a step is a success, a wait or a failure; or only information."""

    GOOD = "good"
    WAITS = "waits"
    BAD = "bad"
    TOLD = "told"


@dataclass(frozen=True)
class MailSummary:
    """A mail as it was put to the vote. `at` is when it was received, `answer` the SMTP answer."""

    mail: str
    account: str
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str = ""
    message_id: str = ""
    size: int = 0
    accepted: bool = False
    kind: str = "refused"
    answer: str = ""


@dataclass(frozen=True)
class MailSession:
    """The SMTP session of the mail. Without a `login`, the host's network is trusted."""

    host: str
    helo: str
    login: str
    tls: str
    listener: str


@dataclass(frozen=True)
class VoteView:
    """One vote. `sequence` is the last event that the voter knew, `figures` are its counters."""

    voter: str
    reply: str
    reason: str
    text: str
    sequence: int
    figures: dict[str, int]
    convert: tuple[str, ...]


@dataclass(frozen=True)
class RecipientStatus:
    """The state of one recipient. `answer` is the last answer of the next hop."""

    recipient: str
    state: RecipientState
    at: datetime | None = None
    attempts: int = 0
    host: str = ""
    answer: str = ""


@dataclass(frozen=True)
class TimelineStep:
    """One event: its `sequence` in EVENTS, when it happened, and a sentence about it."""

    sequence: int
    at: datetime
    fact: str
    tone: StepTone
    what: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailTimeline:
    """All that happened to a mail.

    Without its ballot (the event has expired, or is not there yet) session and votes are empty.
    """

    mail: str
    account: str
    ballot: MailSummary | None
    session: MailSession | None
    votes: tuple[VoteView, ...]
    fates: tuple[RecipientStatus, ...]
    steps: tuple[TimelineStep, ...]


@dataclass(frozen=True)
class Trace:
    """The timeline if exactly one mail matches, else the mails that match, the newest first.

    `asked` says what the question was taken for: mail, message_id, recipient, sender or subject.
    With `more`, there are further mails, or later events of the one mail.
    """

    asked: str
    story: MailTimeline | None
    mails: list[MailSummary] = field(default_factory=list)
    more: bool = False
