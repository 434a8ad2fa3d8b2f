"""The events that searches find, compressed in audit's own tables (ADR 48).

NATS reads EVENTS in blocks of 8 MB: a hundred events all over it would take seconds.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.batches import BatchLimits
from varco_audit.index.tables import packed_events
from varco_audit.search.redaction import may_have_secrets
from varco_audit.table_projection import ALL_EVENTS, TableProjection
from varco_common.bus import Bus, StreamMessage

PACK = 64  # sequences in a row: more would be smaller, and slower to read
LARGEST = 16 * 1024  # bytes of an event; larger ones are rare, and all events of a row are read together
_LEVEL = 3  # half the time of zlib's default, for a tenth more bytes
_PACKS_AT_ONCE = 50  # rows in one query, so that the event loop goes on in between

LIMITS = BatchLimits(linger=5.0)  # the newest events are at hand in EVENTS, so each row is written once or twice

_Packed = tuple[int, int, str, bytes]  # sequence, at, subject, payload, as in StreamMessage
_decoder = msgspec.msgpack.Decoder(list[_Packed])


class PackedEvents(TableProjection):
    """Row n has the events of the sequences from n * PACK on, as far as `is_packed`."""

    NAME = "packed"
    FILTERS = (ALL_EVENTS,)

    def __init__(self, bus: Bus, engine: AsyncEngine, limits: BatchLimits) -> None:
        super().__init__(bus, engine, limits)
        self._newest: tuple[int, list[_Packed]] = (-1, [])  # the row that grows

    async def load(self, connection: AsyncConnection) -> None:
        query = sa.select(packed_events).order_by(packed_events.c.pack.desc()).limit(1)
        row = (await connection.execute(query)).first()
        self._newest = (row.pack, unpacked(row.events)) if row else (-1, [])

    async def write(self, connection: AsyncConnection, events: Sequence[StreamMessage]) -> None:
        rows = []
        for pack, messages in groupby(filter(is_packed, events), key=lambda message: message.sequence // PACK):
            newest, before = self._newest
            together = [*(before if pack == newest else ()), *(message[:4] for message in messages)]
            self._newest = (pack, together)  # a transaction that fails is followed by `load`
            rows.append({"pack": pack, "events": packed(together)})
        if rows:
            insert = self.insert(packed_events)
            grown = insert.on_conflict_do_update(index_elements=["pack"], set_={"events": insert.excluded.events})
            await connection.execute(grown, rows)

    async def find(self, sequences: Iterable[int]) -> dict[int, StreamMessage]:
        """Those of the events that are in the table, by sequence."""
        wanted = {*sequences}
        packs = sorted({sequence // PACK for sequence in wanted})
        found: dict[int, StreamMessage] = {}
        for start in range(0, len(packs), _PACKS_AT_ONCE):
            some = packs[start : start + _PACKS_AT_ONCE]
            rows = await self.read(sa.select(packed_events.c.events).where(packed_events.c.pack.in_(some)))
            found |= {message.sequence: message for message in _messages(rows) if message.sequence in wanted}
        return found


def is_packed(message: StreamMessage) -> bool:
    """Whether the table has it: no large event, none that may have secrets, none of nobody's."""
    return message.own and len(message.payload) <= LARGEST and not may_have_secrets(message.payload)


def packed(events: Sequence[_Packed]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(events), _LEVEL)


def unpacked(row: bytes) -> list[_Packed]:
    """Empty for a row that is damaged: EVENTS has its events."""
    try:
        return _decoder.decode(zlib.decompress(row))
    except (zlib.error, msgspec.DecodeError):
        return []


def _messages(rows: Iterable[tuple[bytes, ...]]) -> Iterator[StreamMessage]:
    for (row,) in rows:
        for event in unpacked(row):
            yield StreamMessage(*event)
