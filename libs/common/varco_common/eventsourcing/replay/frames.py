"""What is asked of a rehearsal, and what it says while it goes on."""

from datetime import datetime
from typing import Any

import msgspec

from varco_common.mail.ballot import Vote


class ReplayQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="question"):
    """`frames` is the subject at which whoever asks hears the frames. EVENTS is read up to `last` and no further."""

    frames: str
    last: int


class VerifyQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="verify"):
    """Decide again, as it was, each mail that came in [since, until) (UTC); with an `account`, its alone.

    `complete`: every mail of MAIL is in EVENTS up to `last`.
    """

    since: datetime
    until: datetime
    account: str = ""
    complete: bool = True


class WhatIfQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="whatif"):
    """Decide an account's mails of [since, until) as if `sections` of its file had held all the time.

    `assumed` are events (JSON) that other services make of the file. `staged`: what the others' changed votes come to is
    asked for with Outcomes, before anything else.
    """

    since: datetime
    until: datetime
    account: str
    sections: dict[str, Any] = {}
    assumed: tuple[msgspec.Raw, ...] = ()
    staged: bool = False


class PlanQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="plan"):
    """What would the owner make of `sections` of an account's file? Answered with Planned frames."""

    account: str
    sections: dict[str, Any]


class StateQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="state"):
    """What did an account's settings say when `last` had been applied, and what made them so? Answered with Items.

    `at` is the time that is meant; `own`: only what is the account's own business.
    """

    account: str
    at: datetime
    own: bool = False


AnyReplayQuestion = VerifyQuestion | WhatIfQuestion | PlanQuestion | StateQuestion


class ReplayFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="frame"):
    """A line of what a rehearsal says."""


class ReplayProgress(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="progress"):
    """EVENTS has been read up to `sequence`, of [first, last]; so many mails were decided."""

    sequence: int
    first: int
    last: int
    mails: int


class ReplayedMail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a mail is known by. `sequence` is that of the event that tells of it; `at` when it came; `size` in bytes."""

    id: str
    sequence: int
    at: datetime
    account: str
    sender: str
    recipients: int
    first_recipient: str = ""
    size: int = 0
    subject: str = ""


class VoteDifference(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="difference"):
    """A vote that comes out otherwise than it is on record, in these fields."""

    mail: ReplayedMail
    voter: str
    fields: tuple[str, ...]
    recorded: Vote
    again: Vote


class UnreadableMail(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="unreadable"):
    """An event that should tell of a mail or a setting, and can't be read."""

    sequence: int
    why: str


class ChangedVote(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="changed"):
    """A mail that the changed rules judge otherwise. `votes` are all that were cast; `early`: refused by its envelope."""

    mail: ReplayedMail
    voter: str
    again: Vote
    votes: tuple[Vote, ...]
    early: bool = False


class VoteOutcomes(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="outcomes"):
    """Asks for a page of what the others' changed votes come to; `page` counts from 0."""

    page: int


class PlannedChange(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="planned"):
    """One change: the line for people, and the event (JSON) that would make it so."""

    line: str
    event: msgspec.Raw


class SettingsItem(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="item"):
    """One item of what an account's settings said, and the event that made it so; sequence 0: it is as by default."""

    section: str
    key: str
    value: Any = None
    sequence: int = 0
    at: datetime | None = None
    by: str = ""
    reason: str = ""
    fact: str = ""


class ReplayDone(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The end. `counts` by word: `mails`, `votes`, `silent`, `early`, `unclear` ..."""

    counts: dict[str, int] = {}


class ReplayFailed(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """It ends here, and why: the question can't be carried out. `where` is the place in `sections` that is at fault."""

    why: str
    where: tuple[str, ...] = ()


AnyReplayFrame = (
    ReplayProgress
    | VoteDifference
    | UnreadableMail
    | ChangedVote
    | VoteOutcomes
    | PlannedChange
    | SettingsItem
    | ReplayDone
    | ReplayFailed
)


class FrameBatch(msgspec.Struct, frozen=True):
    """Frames of one rehearsal, in order."""

    service: str
    frames: list[AnyReplayFrame]


class Go(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a batch: whether to go on; and a page of outcomes, where one was asked for.

    `outcomes` has by mail id whether all other voters would let it pass; `more`: there is another page.
    """

    on: bool = True
    outcomes: dict[str, bool] = {}
    more: bool = False


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a question: `refused` says why no rehearsal begins (another is going on); empty: it does."""

    refused: str = ""


_encoder = msgspec.json.Encoder()
_questions = msgspec.json.Decoder(AnyReplayQuestion)
_batches = msgspec.json.Decoder(FrameBatch)
_gos = msgspec.json.Decoder(Go)
_takens = msgspec.json.Decoder(Taken)


def encode(value: ReplayQuestion | FrameBatch | Go | Taken) -> bytes:
    """JSON, as it travels."""
    return _encoder.encode(value)


def decode_question(data: bytes) -> AnyReplayQuestion:
    """Raises msgspec.DecodeError."""
    question: AnyReplayQuestion = _questions.decode(data)
    return question


def decode_batch(data: bytes) -> FrameBatch:
    return _batches.decode(data)


def decode_go(data: bytes) -> Go:
    return _gos.decode(data)


def decode_taken(data: bytes) -> Taken:
    return _takens.decode(data)
