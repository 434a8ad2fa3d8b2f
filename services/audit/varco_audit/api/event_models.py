"""What audit's HTTP API answers."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field

from varco_audit.index.index_fields import index_row
from varco_audit.search.redaction import redacted
from varco_common.bus import RawEvent

MAX_SEQUENCE = 9_007_199_254_740_991  # what a JSON number holds exactly


class EventOut(BaseModel):
    """An event where it lies. Hashes of passwords and sealed passwords are shown to nobody."""

    sequence: Annotated[int, Field(description="Its place in stream EVENTS.")]
    time: Annotated[datetime, Field(description="When the stream stored it.")]
    subject: Annotated[str, Field(description="`events.<service>.<fact>.<key>`.")]
    service: str
    fact: str
    event: Annotated[dict[str, Any], Field(description="The event itself: docs/events.md.")]

    @classmethod
    def of(cls, raw: RawEvent) -> "EventOut":
        kept = index_row(raw)
        return cls(
            sequence=raw.sequence,
            time=datetime.fromtimestamp(raw.at / 1e9, UTC),
            subject=raw.subject,
            service=kept.service,
            fact=kept.fact,
            event=_object(redacted(raw.payload)),
        )


class EventPage(BaseModel):
    """Events in the order asked for. `next` is the cursor of the page behind this one; 0: there is none."""

    events: list[EventOut]
    next: int


class IndexOut(BaseModel):
    """How far audit is: sequences of EVENTS that are indexed, and of MAIL that are written down in EVENTS."""

    applied: int
    recorded: int


def utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC, wherever this runs."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def json_line(raw: RawEvent) -> bytes:
    """An event as one line of JSON: its payload byte for byte, but for secrets."""
    seconds, rest = divmod(raw.at, 1_000_000_000)
    time = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    subject = msgspec.json.encode(raw.subject)
    return b'{"sequence":%d,"time":"%s","subject":%s,"event":%s}\n' % (
        raw.sequence,
        time.encode(),
        subject,
        redacted(raw.payload),
    )


def _object(payload: bytes) -> dict[str, Any]:
    event = msgspec.json.decode(payload)
    return event if isinstance(event, dict) else {"unreadable": event}
