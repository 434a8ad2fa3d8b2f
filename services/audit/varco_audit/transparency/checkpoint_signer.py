"""Signs a checkpoint whenever there was traffic, and replaces the key that signs."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import time

from varco_audit.transparency.signed_history import ROTATED, SIGNED, SignedHistory
from varco_audit.transparency.signing_key_file import SigningKeyFile
from varco_common.base import log
from varco_common.base.errors import ConflictError, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.events import CheckpointKeyRotated, CheckpointSigned
from varco_common.transparency import checkpoint
from varco_common.transparency.checkpoint import Rotation
from varco_common.transparency.signed_note import SigningKey

_START_AGAIN_SECONDS = 1.0
_SILENCE = 10  # so many intervals without a stranger's checkpoint, and its process counts as gone

_log = log.get(__name__)


class CheckpointSigner:
    """`every` is how often it looks for traffic. Where several processes sign, one of them wins each time."""

    def __init__(
        self, bus: Bus, history: SignedHistory, file: SigningKeyFile, key: SigningKey, every: timedelta
    ) -> None:
        self._bus, self._history, self._file, self._key = bus, history, file, key
        self._every = every.total_seconds()
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        started = False
        while True:
            try:
                if not started:
                    await self._start()
                    started = True
                await self.sign()
            except (TransientError, OSError) as error:  # a full disk ends no other work of this process
                _log.warning("no checkpoint now", error=str(error))
            await asyncio.sleep(self._every if started else min(self._every, _START_AGAIN_SECONDS))

    async def sign(self) -> None:
        """A checkpoint over all events there are now, where any of them is news. Raises TransientError."""
        async with self._turn:
            history = self._history
            await history.catch_up()
            if history.broken:
                _log.error("nothing is signed any more: EVENTS isn't what was signed", why=history.broken)
                return
            if not history.unsigned or time() - history.stranger < self._every * _SILENCE:
                return
            signed = checkpoint.signed(self._key, history.size, history.root(history.size))
            await asyncio.to_thread(history.levels.sync)
            event = CheckpointSigned(at=datetime.now(UTC), origin=signed.origin, size=signed.size, note=signed.text)
            with suppress(ConflictError):  # another process was first: its checkpoint is as good
                await self._bus.events.append(event, expect=history.guard, expect_subject=SIGNED)
            await history.catch_up()

    async def _start(self) -> None:
        """Where a rotation was cut off in the middle, its event says whether it holds."""
        if new := self._file.next():
            await self._history.start(new.public)
            if any(one.new == new.public for one in self._history.rotations):
                self._file.complete()
                self._key = new
            else:
                self._file.abandon()
        await self._history.start(self._key.public)
        self._history.shelf.put_key(self._key.public)

    async def rotate(self, by: str, reason: str) -> Rotation:
        """From now on a new key signs. Raises RefusedCommand, ConflictError, TransientError, BadKeyFile."""
        async with self._turn:
            history = self._history
            await history.catch_up()
            if history.broken:
                raise RefusedCommand(f"EVENTS isn't what was signed: {history.broken}")
            last = await self._bus.events.last_sequence(ROTATED)
            new = self._file.begin(self._key.public.name)
            rotation = checkpoint.rotation(self._key, new, history.size)
            event = CheckpointKeyRotated(
                at=datetime.now(UTC),
                origin=new.public.name,
                size=rotation.size,
                note=rotation.text,
                by=by,
                reason=reason,
            )
            await self._bus.events.append(event, expect=last, expect_subject=ROTATED)
            self._file.complete()
            self._key, history.key = new, new.public
            history.shelf.put_key(new.public)
            await history.catch_up()
            return rotation
