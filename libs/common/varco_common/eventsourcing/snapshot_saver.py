"""Saves the states of a projection in the background.

While the database is away, the service goes on from memory.
"""

import asyncio
from typing import Generic, TypeVar

from varco_common.base import log
from varco_common.base.errors import Degraded, TransientError
from varco_common.base.tasks import retry_until_available, uncancellable
from varco_common.eventsourcing.folded_states import FoldedStates
from varco_common.eventsourcing.snapshot_store import SnapshotsLost, SnapshotStore
from varco_common.storage.database import DATABASE_ERRORS, in_words

S = TypeVar("S")

_EFFECT = "mail goes on; settings can't be changed, and a restart takes longer"
_PROBE_SECONDS = 2.0  # a probe that takes longer means that the database is away
_GATHER_SECONDS = (
    0.25  # between two transactions; only a start reads snapshots, and it reads newer events from the stream
)
_log = log.get(__name__)


class SnapshotSaver(Generic[S]):
    """`changed` is to be set after each event that was applied."""

    def __init__(self, folded: FoldedStates[S], store: SnapshotStore[S], projection: str) -> None:
        self._folded, self._store, self._projection = folded, store, projection
        self.changed = asyncio.Event()
        self._failure = ""
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Saves all changes, those that gather meanwhile in one transaction, until cancelled."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await retry_until_available(self._save, "states are not saved; memory goes on", projection=self._projection)
            await asyncio.sleep(_GATHER_SECONDS)

    async def finish(self) -> None:
        """Saves a last time.

        A database that is away gets the changes from the stream at the next start.
        """
        if self._probe:
            await asyncio.wait([self._probe])
        if self._folded.sequence > self._folded.saved:
            try:
                await self._save()
            except TransientError as error:
                _log.warning("not saved at the end", projection=self._projection, error=str(error))

    async def check(self) -> None:
        """Raises Degraded while the database can't take changes.

        Votes and mail go on: the state is in memory, and the events are on the bus.
        """
        if not self._probe or self._probe.done():
            self._probe = asyncio.create_task(self._store.probe())
        probe = self._probe  # another check may begin the next probe before this one goes on
        done, _ = await asyncio.wait([probe], timeout=_PROBE_SECONDS)
        if not done:
            raise Degraded(f"the database is away ({_EFFECT}): no answer")
        try:
            probe.result()
        except DATABASE_ERRORS as error:
            raise Degraded(f"the database is away ({_EFFECT}): {in_words(error)}") from error
        if self._failure:
            raise Degraded(f"the database is behind ({_EFFECT}): {self._failure}")

    async def _save(self) -> None:
        """Brings the database to where memory is now.

        Raises TransientError while the database is away.
        """
        folded, sequence = self._folded, self._folded.sequence
        documents = folded.take()
        try:
            await uncancellable(self._store.save(documents, after=folded.saved, sequence=sequence))
        except SnapshotsLost as error:
            folded.saved = 0
            raise TransientError("the database was emptied: saving everything") from error
        except DATABASE_ERRORS as error:
            folded.give_back(documents)
            self._failure = in_words(error)
            raise TransientError(in_words(error)) from error
        except BaseException:
            folded.give_back(documents)
            raise
        if self._failure:
            _log.info("the database is back", projection=self._projection)
        self._failure, folded.saved = "", sequence
