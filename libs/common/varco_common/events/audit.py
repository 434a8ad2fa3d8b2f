"""The events of audit.

Every record of MAIL, copied into EVENTS, so that EVENTS alone tells what became of each mail.
"""

from datetime import datetime
from typing import ClassVar

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.events.base import AccountEvent, Event
from varco_common.mail.record import MailRecord


class MailRecorded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="mail.recorded.v1"):
    """A record of stream MAIL as it is, without its body: MAIL forgets, this stays.

    `sequence` is its place in MAIL, `kind` its subject's (accepted, convert, converted, copy, dsn),
    `stored_at` when MAIL stored it. `at` is when audit recorded it. Each record is published once,
    in MAIL's order.
    """

    SERVICE: ClassVar[str] = "audit"
    sequence: int
    kind: str
    stored_at: datetime
    record: MailRecord

    @property
    def key(self) -> str:
        return self.record.envelope.account


class MailErased(AccountEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mail.erased.v1"):
    """Records of one account and kind are taken out of MAIL, with their bodies.

    No service needed them any more.

    `ranges` are first and last sequences in MAIL: every record of this kind and account in them is
    gone. `overwritten` of the `count` were copies, and their bytes don't stay on the disk either.
    It is published before it is done.
    """

    SERVICE: ClassVar[str] = "audit"
    kind: str
    count: int
    ranges: tuple[tuple[int, int], ...]
    overwritten: int = 0


class RecordedAt(msgspec.Struct, frozen=True):
    """The field of a MailRecorded that tells how far MAIL is recorded."""

    sequence: int


_HEAD = b'{"type":"mail.recorded.v1","at":"%s","sequence":%d,"kind":"%s","stored_at":"%s","record":%s}'
_place = msgspec.json.Decoder(RecordedAt)


def encode_recorded(*, at: str, sequence: int, kind: str, stored_at: str, record: bytes) -> bytes:
    """The event's JSON around a record that is JSON already: nothing of it is decoded or lost.

    Times are RFC 3339.
    """
    return _HEAD % (at.encode(), sequence, kind.encode(), stored_at.encode(), record)


def recorded_sequence(event: bytes) -> int:
    """The place in MAIL that an encoded MailRecorded tells of. Raises msgspec.DecodeError."""
    return decode_json(_place, event).sequence


class DeadLetterEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator did with a record of `stream` at `sequence` that `service` had parked."""

    SERVICE: ClassVar[str] = "audit"
    service: str
    stream: str
    sequence: int
    by: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.service


class DeadLetterRedelivered(
    DeadLetterEvent, frozen=True, kw_only=True, omit_defaults=True, tag="dead.letter.redelivered.v1"
):
    """It was given to the service once more, which dealt with it."""


class DeadLetterDropped(DeadLetterEvent, frozen=True, kw_only=True, omit_defaults=True, tag="dead.letter.dropped.v1"):
    """An operator dropped the dead letter.

    `recipients` are those who did not get the mail because of it; empty if it owed nobody a mail.
    """

    account: str = ""
    mail: str = ""
    recipients: tuple[str, ...] = ()


class ProofEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about the proof that EVENTS is as it was.

    `origin` names the log, `note` is a C2SP signed-note.
    """

    SERVICE: ClassVar[str] = "audit"
    origin: str
    size: int
    note: str

    @property
    def key(self) -> str:
        return self.origin


class CheckpointSigned(ProofEvent, frozen=True, kw_only=True, omit_defaults=True, tag="checkpoint.signed.v1"):
    """The first `size` events of EVENTS had the Merkle root that the checkpoint `note` names."""


class CheckpointKeyRotated(ProofEvent, frozen=True, kw_only=True, omit_defaults=True, tag="checkpoint.key.rotated.v1"):
    """Checkpoints of more than `size` events are signed with a new key.

    The old one and the new one signed that in `note`.
    """

    by: str = ""
    reason: str = ""


AnyAuditEvent = (
    MailRecorded | CheckpointSigned | CheckpointKeyRotated | MailErased | DeadLetterRedelivered | DeadLetterDropped
)
