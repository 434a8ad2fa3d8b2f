"""The questions that a replay answers, and the frames that it sends while it runs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from varco_common.mail.ballot import Vote


class ReplayQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="question"):
    """The asker receives the frames at subject `frames`. EVENTS is read up to sequence `last`."""

    frames: str
    last: int


class VerifyQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="verify"):
    """Decide each mail of [since, until) (UTC) again, as it was decided then.

    `account` limits it to one account. `complete`: EVENTS has every mail of MAIL up to `last`.
    """

    since: datetime
    until: datetime
    account: str = ""
    complete: bool = True


class WhatIfQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="whatif"):
    """Decide an account's mails of [since, until) as if `sections` of its file had held then.

    `assumed` are events (JSON) that other services make of the file. With `staged` the replay first
    asks for the outcome of the other voters' changed votes (VoteOutcomes).
    """

    since: datetime
    until: datetime
    account: str
    sections: dict[str, Any] = {}
    assumed: tuple[msgspec.Raw, ...] = ()
    staged: bool = False


class PlanQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="plan"):
    """Which changes do `sections` of an account's file make? The answer is PlannedChange frames."""

    account: str
    sections: dict[str, Any]


class StateQuestion(ReplayQuestion, frozen=True, kw_only=True, omit_defaults=True, tag="state"):
    """What were an account's settings at `last`, and which events set them?

    `at` is the time that belongs to `last`. `own` leaves out what concerns other accounts as well.
    """

    account: str
    at: datetime
    own: bool = False


AnyReplayQuestion = VerifyQuestion | WhatIfQuestion | PlanQuestion | StateQuestion


class ReplayFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="frame"):
    """One result of a replay."""


class ReplayProgress(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="progress"):
    """EVENTS has been read up to `sequence` of [first, last]; `mails` were decided."""

    sequence: int
    first: int
    last: int
    mails: int


class ReplayedMail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Identifies a mail.

    `sequence` is that of its event, `at` when it was received, `size` in bytes.
    """

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
    """A vote that differs from the recorded one in these fields."""

    mail: ReplayedMail
    voter: str
    fields: tuple[str, ...]
    recorded: Vote
    again: Vote


class UnreadableMail(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="unreadable"):
    """An event about a mail or a setting that can't be decoded."""

    sequence: int
    why: str


class ChangedVote(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="changed"):
    """A mail that is treated differently under the changed settings.

    `votes` are all recorded votes. `early`: the mail was refused for its envelope, without a
    ballot.
    """

    mail: ReplayedMail
    voter: str
    again: Vote
    votes: tuple[Vote, ...]
    early: bool = False


class VoteOutcomes(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="outcomes"):
    """Asks for a page of the outcomes of the other voters' changed votes; pages count from 0."""

    page: int


class PlannedChange(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="planned"):
    """One change: a line for people, and the event (JSON) that would make it."""

    line: str
    event: msgspec.Raw


class SettingsItem(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="item"):
    """One item of an account's settings, and the event that set it.

    With `sequence` 0 the default holds.
    """

    section: str
    key: str
    value: Any = None
    sequence: int = 0
    at: datetime | None = None
    by: str = ""
    reason: str = ""
    fact: str = ""


class ReplayDone(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """The end. `counts` has totals by name: `mails`, `votes`, `silent`, `early`, `unclear` ..."""

    counts: dict[str, int] = {}


class ReplayFailed(ReplayFrame, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """The end: the question can't be answered, and why.

    `where` is the faulty place in `sections`.
    """

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
    """Frames of one replay, in order."""

    service: str
    frames: list[AnyReplayFrame]


class BatchReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The receiver's reply to a batch. `on`: go on with the replay.

    `outcomes` is the page that VoteOutcomes asked for: by mail id, whether all other voters would
    accept the mail. `more`: there is another page.
    """

    on: bool = True
    outcomes: dict[str, bool] = {}
    more: bool = False


class QuestionReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service's reply to a question: `refused` says why no replay starts; empty: it starts."""

    refused: str = ""


encode = msgspec.json.Encoder().encode
# The decoders raise msgspec.DecodeError.
decode_question: Callable[[bytes], AnyReplayQuestion] = msgspec.json.Decoder(AnyReplayQuestion).decode
decode_batch = msgspec.json.Decoder(FrameBatch).decode
decode_batch_reply = msgspec.json.Decoder(BatchReply).decode
decode_question_reply = msgspec.json.Decoder(QuestionReply).decode
