"""Decodes only the counted part of a mail's record: a tenth of the work of decoding all of it."""

from datetime import datetime

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.bus import StoredRecord as Record
from varco_ratelimit.decide import VOTER
from varco_ratelimit.quota_windows import milliseconds
from varco_ratelimit.vote_inputs import FIRST_TIME
from varco_ratelimit.window_counter import Amounts

COUNTED = ("accepted", "convert")  # the kinds of a mail's first record; later records are made by the gate itself


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
    """The fields of MailAccepted that are counted."""

    envelope: _Envelope
    votes: tuple[_Vote, ...] = ()

    @property
    def amounts(self) -> Amounts:
        """What the mail uses of each meter.

        First-time recipients are those at the time of the vote.
        """
        envelope = self.envelope
        first_time = next((vote.figures.get(FIRST_TIME, 0) for vote in self.votes if vote.voter == VOTER), 0)
        return (1, len(envelope.recipients), envelope.size, first_time)


_counted = msgspec.json.Decoder(CountedRecord)


def decode(record: bytes) -> CountedRecord:
    """Raises msgspec.DecodeError."""
    return decode_json(_counted, record)


class _Recorded(msgspec.Struct, frozen=True, tag_field="type", tag="mail.recorded.v1"):
    """A MailRecorded event; its record is decoded only if it is counted."""

    sequence: int
    kind: str
    stored_at: datetime
    record: msgspec.Raw


_recorded = msgspec.json.Decoder(_Recorded)


def recorded(event: bytes) -> Record | None:
    """The first record of a mail, as MAIL had it, from its event.

    None: another kind, or not readable.
    """
    try:
        decoded = decode_json(_recorded, event)
    except msgspec.DecodeError:
        return None
    if decoded.kind not in COUNTED:
        return None
    return Record(decoded.sequence, milliseconds(decoded.stored_at), bytes(decoded.record))
