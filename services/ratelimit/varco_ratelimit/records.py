"""A mail's record as far as it is counted: a tenth of the work of reading it whole."""

from datetime import datetime

import msgspec

from varco_common.bus import StoredRecord as Record
from varco_ratelimit.decide import VOTER
from varco_ratelimit.quota_windows import milliseconds
from varco_ratelimit.vote_inputs import FIRST_TIME
from varco_ratelimit.window_counter import Amounts

COUNTED = ("accepted", "convert")  # the kinds of a mail's first record; what follows is the gate's


class _Envelope(msgspec.Struct, frozen=True):
    id: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    size: int = 0


class _Vote(msgspec.Struct, frozen=True):
    voter: str
    figures: dict[str, int] = {}


class CountedRecord(msgspec.Struct, frozen=True, tag_field="type", tag="mail.accepted.v1"):
    """The fields of record.MailAccepted that matter here."""

    envelope: _Envelope
    votes: tuple[_Vote, ...] = ()

    @property
    def amounts(self) -> Amounts:
        """What the mail weighs: first-time recipients as they were when it was voted on."""
        envelope = self.envelope
        first_time = next((vote.figures.get(FIRST_TIME, 0) for vote in self.votes if vote.voter == VOTER), 0)
        return (1, len(envelope.recipients), envelope.size, first_time)


decode = msgspec.json.Decoder(CountedRecord).decode  # raises msgspec.DecodeError on what is no record


class _Recorded(msgspec.Struct, frozen=True, tag_field="type", tag="mail.recorded.v1"):
    """As much of a MailRecorded as matters here: the record is decoded when it is counted."""

    sequence: int
    kind: str
    stored_at: datetime
    record: msgspec.Raw


_recorded = msgspec.json.Decoder(_Recorded)


def recorded(event: bytes) -> Record | None:
    """A mail's first record, as MAIL had it, out of the event that tells of it; None: of another kind, or unreadable."""
    try:
        found = _recorded.decode(event)
    except msgspec.DecodeError:
        return None
    if found.kind not in COUNTED:
        return None
    return Record(found.sequence, milliseconds(found.stored_at), bytes(found.record))
