"""What a replay says while it goes on: one JSON object a line."""

from datetime import datetime
from typing import Any

import msgspec

from varco_common.eventsourcing.replay.frames import ReplayedMail, ReplayProgress
from varco_common.mail.ballot import Vote

_encode = msgspec.json.Encoder().encode


class OutputLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line"):
    """A line."""


class ProgressLine(OutputLine, frozen=True, kw_only=True, tag="progress"):
    """How far it is: `part` of 1, and the mails decided so far by whoever has decided fewest."""

    part: float
    mails: int


class DifferenceLine(OutputLine, frozen=True, kw_only=True, tag="difference"):
    """A vote, or a verdict, that comes out otherwise than it is on record."""

    mail: ReplayedMail
    voter: str
    fields: tuple[str, ...]
    recorded: Vote
    again: Vote


class UnreadableLine(OutputLine, frozen=True, kw_only=True, tag="unreadable"):
    """An event that should tell of a mail or of a setting, and can't be read."""

    sequence: int
    why: str
    service: str


class ChangeLine(OutputLine, frozen=True, kw_only=True, tag="change"):
    """What the file changes, as of now; for people."""

    service: str
    text: str


class MailLine(OutputLine, frozen=True, kw_only=True, tag="mail"):
    """A mail that would fare otherwise. `outcome` is a word of whatif.Outcome; `rule` the reply that decides (or did)."""

    outcome: str
    mail: ReplayedMail
    voter: str
    rule: str
    reason: str


class VerifyDone(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The end: what each service counted, and from when to when it was looked at (UTC)."""

    since: datetime
    until: datetime
    events: int
    differences: int
    unreadable: int
    counts: dict[str, dict[str, int]]


class WhatIfDone(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The end of a what-if: mails decided, and by outcome how many; by sender and outcome; by rule and outcome."""

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


class FailedLine(OutputLine, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """It can't go on, and why. `where` is the place in the account file that is at fault."""

    why: str
    where: tuple[str, ...] = ()


def encode(line: OutputLine) -> bytes:
    return _encode(line) + b"\n"


class CombinedProgress:
    """How far several rehearsals are, as one."""

    def __init__(self, services: Any, stages: int = 1) -> None:
        self._parts: dict[str, tuple[float, int]] = dict.fromkeys(services, (0.0, 0))
        self._stages = stages

    def said(self, service: str, frame: ReplayProgress) -> ProgressLine:
        span = max(frame.last - frame.first + 1, 1)
        self._parts[service] = (min(max((frame.sequence - frame.first + 1) / span, 0.0), 1.0), frame.mails)
        return self.now()

    def done(self, service: str) -> ProgressLine:
        self._parts[service] = (1.0, self._parts[service][1])
        return self.now()

    def now(self) -> ProgressLine:
        parts = self._parts.values()
        part = sum(part for part, _ in parts) / max(len(self._parts), 1)
        return ProgressLine(part=round(part, 4), mails=min((mails for _, mails in parts), default=0))
