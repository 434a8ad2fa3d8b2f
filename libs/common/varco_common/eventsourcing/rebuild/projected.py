"""What a service projects: the tables that the streams can make again, and how."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.projection import FoldedStates
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.eventsourcing.rebuild.events import read
from varco_common.eventsourcing.snapshot_store import SnapshotStore
from varco_common.storage.database import progress, states

S = TypeVar("S")

Row = Any
RebuildSink = Callable[[int], None]  # how far it has been read


@dataclass(frozen=True, kw_only=True)
class ComparedTable:
    """A table as it is compared: the rows that pass `where`, by `key`; of the other columns those that aren't `left_out`.

    Numbers of `near` may differ by 1. `shown` gives the value of a column as it is compared. `beyond` are rows that the
    streams can't make: they are counted, and taken over from the live table; `note` says what isn't compared, and why.
    """

    name: str
    table: sa.Table
    key: tuple[str, ...]
    where: sa.ColumnElement[bool] | None = None
    left_out: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()
    shown: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    beyond: sa.ColumnElement[bool] | None = None
    note: str = ""

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """The key first."""
        rest = [one for one in self.table.columns if one.name not in self.key and one.name not in self.left_out]
        return [*(self.table.columns[name] for name in self.key), *rest]


class RebuildableTables(Protocol):
    """One projection of a service."""

    name: str

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:
        """The sequence up to which the live tables have applied their stream, in the snapshot that `live` reads."""

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        """Fills the empty tables of `fresh` from the streams up to `stand`; what is to be compared."""


class FoldedProjection(Generic[S]):
    """A `Projection`: documents by key, folded from events."""

    def __init__(self, fold: ProjectionSpec[S]) -> None:
        self.name = fold.name
        self._fold = fold

    async def stands(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - the table says it
        return await stand_of(live, self.name)

    async def build(self, bus: Bus, fresh: AsyncEngine, stand: int, told: RebuildSink) -> Sequence[ComparedTable]:
        memory: FoldedStates[S] = FoldedStates(self._fold.apply, self._fold.key)
        async with aclosing(read(bus, *self._fold.filters, until=stand)) as events:
            async for sequence, event in events:
                memory.apply(sequence, event)
                told(sequence)
        documents: SnapshotStore[S] = SnapshotStore(fresh, self.name, self._fold.state)
        await documents.save(memory.take(), after=0, sequence=stand)
        decoder = msgspec.json.Decoder(self._fold.state)
        return [
            ComparedTable(
                name=self.name,
                table=states,
                key=("key",),
                where=states.c.projection == self.name,
                left_out=frozenset({"projection"}),
                shown={"document": lambda document: _shown(decoder, document)},
            )
        ]


async def stand_of(live: AsyncConnection, projection: str) -> int:
    """What the table `progress` says; 0 where it says nothing."""
    return int(await live.scalar(sa.select(progress.c.sequence).where(progress.c.projection == projection)) or 0)


def _shown(decoder: "msgspec.json.Decoder[Any]", document: bytes) -> Any:
    """Plain values, in an order of their own: how a document is spelt is no difference. Of another shape: as it lies."""
    try:
        return msgspec.to_builtins(decoder.decode(document), order="sorted")
    except msgspec.DecodeError:
        return bytes(document).decode(errors="replace")
