"""The results of a rebuild while it runs: one JSON line a frame."""

from typing import Any

import msgspec


class RebuildStart(msgspec.Struct, frozen=True):
    """The first line on the standard input of a rebuild's process."""

    service: str
    settings: dict[str, Any]
    swap: bool


class RebuildFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="frame"):
    """One result of a rebuild."""


class RebuildProgress(RebuildFrame, frozen=True, kw_only=True, tag="progress"):
    """The projection is built up to `sequence`; the live one has applied `stand`."""

    projection: str
    sequence: int
    stand: int


class RowDifference(RebuildFrame, frozen=True, kw_only=True, tag="difference"):
    """A place of a row where the tables differ; None: that side lacks the row or the value.

    Secrets are stars.
    """

    table: str
    key: str
    place: str
    live: Any = None
    rebuilt: Any = None


class RebuiltTable(RebuildFrame, frozen=True, kw_only=True, tag="table"):
    """One table, compared at the same applied sequence (`stand`).

    `beyond` rows were copied: the streams lack them.
    """

    table: str
    stand: int
    rows: int
    differing: int
    beyond: int = 0
    note: str = ""


class RebuildDone(RebuildFrame, frozen=True, kw_only=True, tag="done"):
    """The end. `swap` says what happens with the new tables; empty: they are deleted."""

    equal: bool
    swap: str = ""


class RebuildFailed(RebuildFrame, frozen=True, kw_only=True, tag="failed"):
    """The end: the rebuild failed, and why."""

    why: str


AnyRebuildFrame = RebuildProgress | RowDifference | RebuiltTable | RebuildDone | RebuildFailed

_encoder = msgspec.json.Encoder(enc_hook=str)


def line(frame: AnyRebuildFrame) -> bytes:
    """The frame as a line of JSON."""
    return _encoder.encode(frame) + b"\n"
