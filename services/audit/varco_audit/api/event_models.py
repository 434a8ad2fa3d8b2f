"""Events as the API shows them."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field

from varco_audit.index.index_fields import index_row
from varco_audit.search.redaction import redacted
from varco_common.base.timestamps import time_text
from varco_common.bus import StreamMessage


class EventOut(BaseModel):
    """A stored event. Password hashes and sealed passwords are shown as `...`.

    So are URLs of files, to a token for reading alone.
    """

    sequence: Annotated[int, Field(description="Its place in stream EVENTS.")]
    time: Annotated[datetime, Field(description="When the stream stored it.")]
    subject: Annotated[str, Field(description="`events.<service>.<fact>.<key>`.")]
    service: str
    fact: str
    event: Annotated[dict[str, Any], Field(description="The event itself: docs/events.md.")]

    @classmethod
    def of(cls, raw: StreamMessage, *, read_only: bool) -> "EventOut":
        row, event = index_row(raw), msgspec.json.decode(redacted(raw.payload, read_only=read_only))
        return cls(
            sequence=raw.sequence,
            time=datetime.fromtimestamp(raw.at / 1e9, UTC),
            subject=raw.subject,
            service=row.service,
            fact=row.fact,
            event=event if isinstance(event, dict) else {"unreadable": event},
        )


class EventPage(BaseModel):
    """Events in the given order. `next` is the cursor of the next page; 0 on the last page."""

    events: list[EventOut]
    next: int


class IndexOut(BaseModel):
    """Sequences up to which all of EVENTS is indexed, and all of MAIL recorded."""

    applied: int
    recorded: int


def json_line(raw: StreamMessage, *, read_only: bool) -> bytes:
    """An event on one line: its payload byte for byte, without secrets."""
    time, subject = time_text(raw.at).encode(), msgspec.json.encode(raw.subject)
    line = b'{"sequence":%d,"time":"%s","subject":%s,"event":%s}\n'
    return line % (raw.sequence, time, subject, redacted(raw.payload, read_only=read_only))
