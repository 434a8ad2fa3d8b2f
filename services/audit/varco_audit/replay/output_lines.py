"""What the API answers during a replay: one JSON object on each line."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from varco_common.eventsourcing.replay.frames import ReplayedMail, ReplayProgress
from varco_common.mail.ballot import Vote

_encode = msgspec.json.Encoder().encode


class OutputLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line"):
    """A line; its field `line` names its kind."""


class ProgressLine(OutputLine, frozen=True, kw_only=True, tag="progress"):
    """`part` of 1 is done. `mails` is the count of the service that has decided fewest."""

    part: float
    mails: int


class DifferenceLine(OutputLine, frozen=True, kw_only=True, tag="difference"):
    """A vote or a verdict that differs from the one on record in `fields`."""

    mail: ReplayedMail
    voter: str
    fields: tuple[str, ...]
    recorded: Vote
    again: Vote


class UnreadableLine(OutputLine, frozen=True, kw_only=True, tag="unreadable"):
    """An event about a mail or a setting that can't be decoded."""

    sequence: int
    why: str
    service: str


class ChangeLine(OutputLine, frozen=True, kw_only=True, tag="change"):
    """A change that the account file would make now, for people."""

    service: str
    text: str


class MailLine(OutputLine, frozen=True, tag="mail"):
    """A mail with another outcome. `outcome` is a WhatIfOutcome.

    `voter` decides, or decided, against it, by the reply `rule`. `before` and `after` are the
    replies of both verdicts; `after` is empty where nobody can tell, as the body is unknown.
    """

    outcome: str
    mail: ReplayedMail
    voter: str
    rule: str
    reason: str
    before: str = ""
    after: str = ""


class VerifyDone(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The result of a verification: the counts of each service, over [since, until)."""

    since: datetime
    until: datetime
    events: int
    differences: int
    unreadable: int
    counts: dict[str, dict[str, int]]


class RouteMove(msgspec.Struct, frozen=True, kw_only=True):
    """How many recipients of past mails take route `before` now, and route `after` then."""

    before: str
    after: str
    recipients: int


class WhatIfDone(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The result of a what-if: numbers of mails in all, by outcome, by sender and by rule.

    `routes` counts recipients, where the file has `route` or `routes`. `examples` are the newest
    mails with another outcome, as many as were asked for.
    """

    account: str
    since: datetime
    until: datetime
    mails: int
    early: int
    silent: int
    outcomes: dict[str, int]
    senders: dict[str, dict[str, int]]
    rules: dict[str, dict[str, int]]
    ignored: tuple[str, ...] = ()
    routes: tuple[RouteMove, ...] = ()
    examples: tuple[MailLine, ...] = ()


class FailedLine(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """Why the replay ended. `where` is the place of an error in the account file."""

    why: str
    where: tuple[str, ...] = ()


def encode(line: OutputLine) -> bytes:
    """The line in JSON, with its end."""
    return _encode(line) + b"\n"


class CombinedProgress:
    """The progress of several services as one."""

    def __init__(self, services: Iterable[str]) -> None:
        self._parts = dict.fromkeys(services, 0.0)
        self._mails = dict.fromkeys(self._parts, 0)

    def update(self, service: str, frame: ReplayProgress) -> ProgressLine:
        span = max(frame.last - frame.first + 1, 1)
        self._parts[service] = min(max((frame.sequence - frame.first + 1) / span, 0.0), 1.0)
        self._mails[service] = frame.mails
        return self._line()

    def finish(self, service: str) -> ProgressLine:
        self._parts[service] = 1.0
        return self._line()

    def _line(self) -> ProgressLine:
        part = sum(self._parts.values()) / len(self._parts)
        return ProgressLine(part=round(part, 4), mails=min(self._mails.values()))
