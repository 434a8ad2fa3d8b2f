"""What a rebuild says while it goes on: one JSON line a frame."""

from typing import Any

import msgspec


class RebuildStart(msgspec.Struct, frozen=True):
    """The first line on the standard input of a rebuild's process."""

    service: str
    settings: dict[str, Any]
    swap: bool


class RebuildFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="frame"):
    """A line of what is said."""


class RebuildProgress(RebuildFrame, frozen=True, kw_only=True, tag="progress"):
    """The projection is built up to `sequence` of the `stand` of the live one."""

    projection: str
    sequence: int
    stand: int


class RowDifference(RebuildFrame, frozen=True, kw_only=True, tag="difference"):
    """A place of a row where the two differ; None on one side: the row or the value isn't there. Secrets are stars."""

    table: str
    key: str
    place: str
    live: Any = None
    rebuilt: Any = None


class RebuiltTable(RebuildFrame, frozen=True, kw_only=True, tag="table"):
    """One table, compared at the same applied sequence. `beyond` rows can't be made from the streams, and were taken over."""

    table: str
    stand: int
    rows: int
    differing: int
    beyond: int = 0
    note: str = ""


class RebuildDone(RebuildFrame, frozen=True, kw_only=True, tag="done"):
    """The end. `swap` says what becomes of the new tables; empty: they are thrown away."""

    equal: bool
    swap: str = ""


class RebuildFailed(RebuildFrame, frozen=True, kw_only=True, tag="failed"):
    """It ends here, and why."""

    why: str


AnyRebuildFrame = RebuildProgress | RowDifference | RebuiltTable | RebuildDone | RebuildFailed

_encoder = msgspec.json.Encoder(enc_hook=str)


def line(frame: AnyRebuildFrame) -> bytes:
    """As it travels."""
    return _encoder.encode(frame) + b"\n"
