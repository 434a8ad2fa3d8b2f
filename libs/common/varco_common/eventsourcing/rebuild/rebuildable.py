"""What a service offers to a rebuild: the tables that the streams can make again, and how."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.folded_states import FoldedStates
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.eventsourcing.rebuild.event_reader import read_events
from varco_common.eventsourcing.snapshot_store import SnapshotStore
from varco_common.storage.database import progress, states

S = TypeVar("S")

Row = Any
RebuildSink = Callable[[int], None]  # gets the sequence that has been read


@dataclass(frozen=True, kw_only=True)
class ComparedTable:
    """How a table is compared.

    The rows that pass `where`, by `key`, without the columns in `left_out`.

    Numbers of `near` may differ by 1. `shown` converts the value of a column before it is compared.
    `beyond` selects rows that the streams can't make: they are counted and copied from the live
    table. `note` says which rows are not compared, and why.
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
        skipped = {*self.key, *self.left_out}
        rest = [column for column in self.table.columns if column.name not in skipped]
        return [*(self.table.columns[name] for name in self.key), *rest]


class RebuildableTables(ABC):
    """One projection of a service; `name` is the one in table `progress`."""

    name: str

    async def applied_sequence(self, bus: Bus, live: AsyncConnection) -> int:  # noqa: ARG002 - some ask the bus
        """The sequence that the live tables have applied, in the snapshot of `live`; 0: none."""
        query = sa.select(progress.c.sequence).where(progress.c.projection == self.name)
        return int(await live.scalar(query) or 0)

    @abstractmethod
    async def build(
        self, bus: Bus, fresh: AsyncEngine, until: int, on_progress: RebuildSink
    ) -> Sequence[ComparedTable]:
        """Fills the empty tables of `fresh` from the streams up to `until`.

        Returns what is to be compared.
        """


class FoldedProjection(RebuildableTables, Generic[S]):
    """The snapshots of a `Projection`."""

    def __init__(self, spec: ProjectionSpec[S]) -> None:
        self.name = spec.name
        self._spec = spec

    async def build(
        self, bus: Bus, fresh: AsyncEngine, until: int, on_progress: RebuildSink
    ) -> Sequence[ComparedTable]:
        folded = await fold_events(bus, self._spec, until, on_progress)
        snapshots: SnapshotStore[S] = SnapshotStore(fresh, self.name, self._spec.state)
        await snapshots.save(folded.take(), after=0, sequence=until)
        decoder = msgspec.json.Decoder(self._spec.state)
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


async def fold_events(
    bus: Bus, spec: ProjectionSpec[S], until: int, on_progress: RebuildSink = lambda _: None
) -> FoldedStates[S]:
    """The states after the event at `until`."""
    folded: FoldedStates[S] = FoldedStates(spec.apply, spec.key)
    async with aclosing(read_events(bus, *spec.filters, until=until)) as events:
        async for sequence, event in events:
            folded.apply(sequence, event)
            on_progress(sequence)
    return folded


def _shown(decoder: "msgspec.json.Decoder[Any]", document: bytes) -> Any:
    """Sorted plain values, so that only content is compared.

    A document of an unknown shape stays text.
    """
    try:
        return msgspec.to_builtins(decoder.decode(document), order="sorted")
    except msgspec.DecodeError:
        return bytes(document).decode(errors="replace")
