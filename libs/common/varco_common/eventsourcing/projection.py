"""State as folded events.

In memory for all reads, in the service's database for the next start (ADR 2).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import Generic, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import log, subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import done_within, retry_until_available, run_in_background
from varco_common.bus import UNUSABLE, Bus
from varco_common.events import AnyEvent, Event, encode_event
from varco_common.eventsourcing.folded_states import FoldedStates
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.eventsourcing.snapshot_saver import SnapshotSaver
from varco_common.eventsourcing.snapshot_store import SnapshotStore

S = TypeVar("S")

_COMMIT_SECONDS = 5.0  # events that arrive quickly fail some attempts, but hardly all of 5 seconds
_FOREIGN_SECONDS = 0.5  # then `reached` asks whether it waits for an event that is none of the spec
_MAX_BATCH = 1_000  # events that JetStream takes in one atomic batch
_log = log.get(__name__)


class _GuardFailed(Exception):  # an answer to its one caller, who then decides anew
    """Another event with the same key was stored after the state was read."""


class Projection(Generic[S]):
    """The states of one spec. `service` is the one whose events a `commit` appends and guards.

    Memory always follows the bus. The database follows memory; while it is away, memory goes on and
    `commit` raises TransientError.
    """

    def __init__(self, spec: ProjectionSpec[S], bus: Bus, engine: AsyncEngine, service: str) -> None:
        self._spec, self._bus, self._service = spec, bus, service
        self._folded: FoldedStates[S] = FoldedStates(spec.apply, spec.key)
        self._snapshots: SnapshotStore[S] = SnapshotStore(engine, spec.name, spec.state)
        self._saver = SnapshotSaver(self._folded, self._snapshots, spec.name)
        self._listeners: list[Callable[[str, AnyEvent], None]] = []
        self._commit_turn = asyncio.Lock()
        self.check = self._saver.check  # for /readyz: raises TransientError while the database can't take changes

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Loads, catches up with the bus, and follows it inside the block.

        A message that cannot be applied is parked and passed over: none may stop the service.
        A bug in `apply` ends the block: a service must not vote on an old state.
        """
        await self._load()
        async with run_in_background(self._follow(), self._saver.run()):
            await self.reached(await self._last(), timeout=None)
            _log.info("caught up", projection=self._spec.name, sequence=self.sequence, states=len(self))
            yield self
        await self._saver.finish()

    @property
    def sequence(self) -> int:
        """The stream sequence of the last event that is in memory."""
        return self._folded.sequence

    def get(self, key: str) -> S | None:
        return self._folded.states.get(key)

    def items(self) -> Iterable[tuple[str, S]]:
        """All keys and states as they are now: don't await while iterating."""
        return self._folded.states.items()

    def __len__(self) -> int:
        return len(self._folded.states)

    def on_event(self, listener: Callable[[str, AnyEvent], None]) -> None:
        """Calls `listener(key, event)` after each event was applied."""
        self._listeners.append(listener)

    async def reached(self, sequence: int, timeout: float | None = 5.0) -> None:
        """Returns once memory has applied all events of the spec up to `sequence`.

        Raises TransientError when late.
        """
        if not await done_within(self._applied_or_foreign(sequence), timeout):
            raise TransientError(f"{self._spec.name} stands at {self.sequence}, {sequence} is awaited")

    async def _applied_or_foreign(self, sequence: int) -> None:
        applied = self._folded.applied
        if not await done_within(applied.reached(sequence), _FOREIGN_SECONDS):
            # if no event of the spec is at `sequence`, none will be
            await applied.reached(min(sequence, await self._last()))

    async def reach_last(self, *filters: str) -> int:
        """The sequence of the last event that matches, once memory has applied it.

        The spec must have its subject.
        """
        last = await self._bus.events.last_sequence(*filters)
        await self.reached(last)
        return last

    async def version(self, key: str) -> int:
        """The sequence of the last event that changed the settings of `key`.

        Memory has applied it.
        """
        token = subjects.token(key)
        filters = [kind.subject_filter(token) for kind in self._spec.settings]
        return await self.reach_last(*filters or [self._guard(key)])

    async def commit(
        self,
        key: str,
        decide: Callable[[S | None], Event | Sequence[Event]],
        *,
        expect: int | None = None,
        guard: str = "",
    ) -> int:
        """Decides on the newest state of `key`, appends the events, returns the new version.

        Memory has applied them then. `decide` returns the events; it runs again when the state
        changed meanwhile. Commits of this process take turns, so `decide` may look at other keys.
        All events are stored, or none (up to 1,000 of them). `expect` is the version that the
        caller has seen: any other is a ConflictError. `guard` is the subject filter of the events
        that `decide` depends on; left out, those of the service about `key`. Raises also what
        `decide` raises, and TransientError.
        """
        await self.check()
        async with self._commit_turn:
            deadline = monotonic() + _COMMIT_SECONDS
            while True:
                try:
                    return await self._try_commit(key, decide, expect, guard or self._guard(key))
                except _GuardFailed as error:
                    if monotonic() >= deadline:
                        raise ConflictError(f"{key} changes too fast: try again") from error

    async def _try_commit(
        self, key: str, decide: Callable[[S | None], Event | Sequence[Event]], expect: int | None, guard: str
    ) -> int:
        """The sequence that the append expects is read before the state is.

        What comes later fails the append.
        """
        last = await self._bus.events.last_sequence(guard)
        if guard != self._guard(key):
            await self._reach(last)
        version = await self.version(key) if self._spec.settings else await self._reach(last)
        if expect not in (None, version):
            raise ConflictError(f"{key} stands at {version}, not at {expect}: read it again")
        decided = decide(self.get(key))
        events = [decided] if isinstance(decided, Event) else decided
        for start in range(0, len(events), _MAX_BATCH):
            batch = [(event.subject, encode_event(event)) for event in events[start : start + _MAX_BATCH]]
            try:
                version = last = await self._bus.events.append_encoded(batch, expect=last, expect_subject=guard)
            except ConflictError as error:
                raise _GuardFailed from error
        return await self._reach(version)

    async def _reach(self, sequence: int) -> int:
        await self.reached(sequence)
        return sequence

    def _guard(self, key: str) -> str:
        return subjects.event(self._service, "*", subjects.token(key))

    async def _load(self) -> None:
        states, sequence = await self._snapshots.load()
        if sequence > (newest := await self._last()):
            _log.error(
                "the database is ahead of the stream: rebuilding",
                projection=self._spec.name,
                at=sequence,
                newest=newest,
            )
            await self._snapshots.clear()
            states, sequence = {}, 0
        self._folded.start(states, sequence)

    async def _last(self) -> int:
        return await retry_until_available(lambda: self._bus.events.last_sequence(*self._spec.filters))

    async def _follow(self) -> None:
        following = self._bus.events.follow(*self._spec.filters, after=self.sequence, name=self._spec.name)
        async with aclosing(following) as events:
            async for stored in events:
                try:
                    if stored.event is not None:
                        self._apply(stored.sequence, stored.event)
                except UNUSABLE as error:
                    await self._bus.events.park_unapplied(stored, f"{self._spec.name}: {error!r}")
                self._folded.skip(stored.sequence)
                self._saver.changed.set()

    def _apply(self, sequence: int, event: AnyEvent) -> None:
        key = self._folded.apply(sequence, event)
        for listener in self._listeners:
            listener(key, event)
