"""The leaf of an event: sequence, time, subject and payload in a fixed form of bytes."""

from typing import NamedTuple

import msgspec

from varco_common.base.timestamps import nanoseconds, time_text
from varco_common.transparency.merkle_tree import leaf_hash


class LogEntry(NamedTuple):
    """A message of EVENTS. `at` is when it was stored, in nanoseconds since 1970, UTC."""

    sequence: int
    at: int
    subject: str
    payload: bytes


def canonical(entry: LogEntry) -> bytes:
    """The leaf: four lines (format, sequence, time, subject), then the payload as it is stored."""
    return b"varco-event-v1\n%d\n%d\n%s\n" % (entry.sequence, entry.at, entry.subject.encode()) + entry.payload


def hash_of(entry: LogEntry) -> bytes:
    """The event's leaf hash."""
    return leaf_hash(canonical(entry))


def absent(sequence: int) -> bytes:
    """The leaf hash of a sequence without an event, so that leaf n - 1 is always sequence n."""
    return leaf_hash(b"varco-absent-v1\n%d\n" % sequence)


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    sequence: int
    time: str
    subject: str
    payload: str = ""
    payload_base64: bytes = b""


_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


def to_line(entry: LogEntry) -> bytes:
    """A line of an export with its line end: `{"sequence", "time", "subject", "payload"}`.

    The payload is a JSON string, or `payload_base64` if it is no UTF-8. The time has nine digits of
    a second.
    """
    try:
        line = _Line(entry.sequence, time_text(entry.at), entry.subject, payload=entry.payload.decode())
    except UnicodeDecodeError:
        line = _Line(entry.sequence, time_text(entry.at), entry.subject, payload_base64=entry.payload)
    return _encoder.encode(line) + b"\n"


def from_line(line: bytes) -> LogEntry:
    """The entry of an export's line; unknown fields are ignored. Raises ValueError."""
    parsed = _decoder.decode(line)
    if "\n" in parsed.subject or parsed.sequence < 1:
        raise ValueError("no event of a stream")
    return LogEntry(
        parsed.sequence, nanoseconds(parsed.time), parsed.subject, parsed.payload_base64 or parsed.payload.encode()
    )
