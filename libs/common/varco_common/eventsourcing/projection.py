"""State as folded events: in memory to answer from, in the service's database to start from (ADR 2)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import Generic, Self, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import log, subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import retry_until_available, run_in_background, uncancellable
from varco_common.bus import Bus
from varco_common.events import AnyEvent, Event, encode_event
from varco_common.eventsourcing.projection_spec import ProjectionSpec, event_key
from varco_common.eventsourcing.snapshot_store import SnapshotsLost, SnapshotStore
from varco_common.storage.database import DATABASE_ERRORS

S = TypeVar("S")

_PROBE_SECONDS = 2.0
_GATHER_SECONDS = 0.25  # between two transactions: only a start reads them, and the stream has what they lack
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_MAX_BATCH = 1_000  # events that JetStream takes in one atomic batch
_log = log.get(__name__)
_encoder = msgspec.json.Encoder()


class _GuardFailed(Exception):  # an answer to its one caller, who then decides anew
    """Another event with the same key was stored after the state was read."""


class FoldedStates(Generic[S]):
    """The states as of `sequence`, and which keys have changed since they were last taken. Pure but for being changed."""

    def __init__(self, apply: Callable[[S | None, AnyEvent], S | None], key: Callable[[AnyEvent], str]) -> None:
        self.states: dict[str, S] = {}
        self.sequence = 0
        self.saved = 0
        self._apply, self._key = apply, key
        self._changed: set[str] = set()

    def start(self, states: dict[str, S], sequence: int) -> None:
        self.states, self.sequence, self.saved = states, sequence, sequence

    def apply(self, sequence: int, event: AnyEvent) -> str:
        """Folds one event in, and returns its key; an event that came before is passed over."""
        key = self._key(event)
        if sequence <= self.sequence:
            return key
        state = self._apply(self.states.get(key), event)
        if state is None:
            self.states.pop(key, None)
        else:
            self.states[key] = state
        self._changed.add(key)
        self.sequence = sequence
        return key

    def take(self) -> dict[str, bytes | None]:
        """The documents of all that changed since `saved`; of everything, where nothing was ever saved."""
        taken, self._changed = self._changed, set()
        keys = taken if self.saved else {*self.states}
        return {key: _encoder.encode(self.states[key]) if key in self.states else None for key in keys}

    def give_back(self, keys: Iterable[str]) -> None:
        """What was taken could not be saved: it is taken again the next time."""
        self._changed.update(keys)


class Projection(Generic[S]):
    """One state for each key: what `apply` makes of the events that pass `filters`.

    `name` names it in the tables; `service` is whose events a `commit` guards. Memory always follows the bus, and is what all
    reads answer from. The database follows memory; while it is away memory goes on and `commit` raises TransientError.
    """

    def __init__(
        self,
        bus: Bus,
        engine: AsyncEngine,
        *filters: str,
        name: str,
        service: str,
        apply: Callable[[S | None, AnyEvent], S | None],
        state: type[S],
        key: Callable[[AnyEvent], str] = event_key,
        settings: Sequence[type[Event]] = (),
        commit_seconds: float = 5.0,
    ) -> None:
        self._bus, self._filters, self._name, self._service = bus, filters, name, service
        self._settings, self._commit_seconds = settings, commit_seconds
        self._commit_turn = asyncio.Lock()
        self._documents: SnapshotStore[S] = SnapshotStore(engine, name, state)
        self._memory: FoldedStates[S] = FoldedStates(apply, key)
        self._changed = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._listeners: list[Callable[[str, AnyEvent], None]] = []
        self._probe: asyncio.Task[None] | None = None
        self._failure = ""

    @classmethod
    def of(cls, fold: ProjectionSpec[S], bus: Bus, engine: AsyncEngine, service: str) -> Self:
        """`service` is whose events a `commit` guards."""
        return cls(
            bus,
            engine,
            *fold.filters,
            name=fold.name,
            service=service,
            apply=fold.apply,
            state=fold.state,
            key=fold.key,
            settings=fold.settings,
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Loads, catches up with the bus, and follows it inside the block. A bug in `apply` ends the block."""
        await self._load()
        async with run_in_background(self._follow(), self._keep()):
            await self.reached(await self._until(), timeout=None)
            _log.info("caught up", projection=self._name, sequence=self.sequence, states=len(self))
            yield self
        if self._probe:
            await asyncio.wait([self._probe])
        await self._save_last()

    @property
    def sequence(self) -> int:
        """The stream sequence of the last event that is in memory."""
        return self._memory.sequence

    def get(self, key: str) -> S | None:
        return self._memory.states.get(key)

    def items(self) -> Iterable[tuple[str, S]]:
        """All keys and states as they are now: don't await while iterating."""
        return self._memory.states.items()

    def __len__(self) -> int:
        return len(self._memory.states)

    def on_event(self, listener: Callable[[str, AnyEvent], None]) -> None:
        """Calls `listener(key, event)` after each event was applied."""
        self._listeners.append(listener)

    async def check(self) -> None:
        """For /readyz: raises TransientError while the database can't take changes."""
        if not self._probe or self._probe.done():
            self._probe = asyncio.create_task(self._documents.probe())
        done, _ = await asyncio.wait([self._probe], timeout=_PROBE_SECONDS)
        if not done:
            raise TransientError("the database is away: no answer")
        try:
            self._probe.result()
        except DATABASE_ERRORS as error:
            raise TransientError(f"the database is away: {type(error).__name__}") from error
        if self._failure:
            raise TransientError(f"the database is behind: {self._failure}")

    async def reached(self, sequence: int, timeout: float | None = 5.0) -> None:
        """Returns once memory has applied `sequence`, of an event that passes the filters. Raises TransientError when late."""
        if self.sequence >= sequence:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((sequence, waiter))
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            raise TransientError(f"{self._name} stands at {self.sequence}, {sequence} is awaited") from None
        finally:
            self._waiting.remove((sequence, waiter))

    async def reach_last(self, *filters: str) -> int:
        """The sequence of the last event that matches, once memory has applied it. The projection must follow it."""
        last = await self._bus.events.last_sequence(*filters)
        await self.reached(last)
        return last

    async def version(self, key: str) -> int:
        """The sequence of the last event that changed the settings of `key`. Memory has applied it."""
        token = subjects.token(key)
        filters = [kind.subject_filter(token) for kind in self._settings]
        return await self.reach_last(*filters or [self._guard(key)])

    async def commit(
        self, key: str, decide: Callable[[S | None], Event | Sequence[Event]], *, expect: int | None = None
    ) -> int:
        """Decides on the newest state of `key`, appends the events, and returns the version after them.

        Memory has applied them then. `decide` returns the events; it runs again when the state
        changed meanwhile. Commits of this process take turns, so `decide` may look at other keys.
        All events are stored, or none (up to 1,000 of them). `expect` is the version that the caller
        has seen: any other is a ConflictError. Raises also what `decide` raises, and TransientError.
        """
        await self.check()
        async with self._commit_turn:
            deadline = monotonic() + self._commit_seconds
            while True:
                try:
                    return await self._try_commit(key, decide, expect)
                except _GuardFailed as error:
                    if monotonic() >= deadline:
                        raise ConflictError(f"{key} changes too fast: try again") from error

    async def _try_commit(
        self, key: str, decide: Callable[[S | None], Event | Sequence[Event]], expect: int | None
    ) -> int:
        """The sequence that the append expects is read before the state is: what comes later fails the append."""
        guard = self._guard(key)
        last = await self._bus.events.last_sequence(guard)
        version = await self.version(key) if self._settings else await self._reach(last)
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
        states, sequence = await self._documents.load()
        if sequence > (newest := await self._until()):
            _log.error(
                "the database is ahead of the stream: rebuilding", projection=self._name, at=sequence, newest=newest
            )
            await self._documents.clear()
            states, sequence = {}, 0
        self._memory.start(states, sequence)

    async def _until(self) -> int:
        return await retry_until_available(lambda: self._bus.events.last_sequence(*self._filters))

    async def _follow(self) -> None:
        async with aclosing(self._bus.events.follow(*self._filters, after=self.sequence, name=self._name)) as events:
            async for stored in events:
                key = self._memory.apply(stored.sequence, stored.event)
                self._changed.set()
                self._wake(stored.sequence)
                for listener in self._listeners:
                    listener(key, stored.event)

    def _wake(self, reached: int) -> None:
        for sequence, waiter in self._waiting:
            if sequence <= reached and not waiter.done():
                waiter.set_result(None)

    async def _keep(self) -> None:
        """Saves what changed, now and then; meanwhile the changes of the next transaction gather."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            failures = 0
            while not await self._save():
                await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
            await asyncio.sleep(_GATHER_SECONDS)

    async def _save(self) -> bool:
        """Whether memory, as it was when this began, is in the database."""
        memory, sequence = self._memory, self.sequence
        documents = memory.take()
        try:
            await uncancellable(self._documents.save(documents, after=memory.saved, sequence=sequence))
        except SnapshotsLost:
            _log.warning("the database was emptied: saving everything", projection=self._name)
            memory.saved = 0
            return False
        except DATABASE_ERRORS as error:
            if not self._failure:
                _log.warning("the database is away; memory goes on", projection=self._name, error=str(error))
            self._failure = type(error).__name__
            memory.give_back(documents)
            return False
        except BaseException:
            memory.give_back(documents)
            raise
        if self._failure:
            _log.info("the database is back", projection=self._name)
        self._failure, memory.saved = "", sequence
        return True

    async def _save_last(self) -> None:
        if self.sequence > self._memory.saved:
            await self._save()
