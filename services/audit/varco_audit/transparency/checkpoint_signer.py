"""Signs a checkpoint after each minute with traffic, and replaces the signing key."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
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

_RESTART_SECONDS = 1.0
_FOREIGN_INTERVALS = 10  # a signer with an unknown key counts as gone after this many intervals

_log = log.get(__name__)


class CheckpointSigner:
    """Of several processes that sign, one wins each time. Each checks for traffic every `interval`.

    A minute is the time in which an event can be altered without a trace, and the alert on the
    age of the last checkpoint builds on it.
    """

    interval = 60.0

    def __init__(self, bus: Bus, history: SignedHistory, file: SigningKeyFile, key: SigningKey) -> None:
        self._bus, self._history, self._file, self._key = bus, history, file, key
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Opens the history and signs, until cancelled."""
        started = False
        while True:
            try:
                if not started:
                    await self._start()
                    started = True
                await self.sign()
            except (TransientError, OSError) as error:  # a full disk must not end audit's other work
                _log.warning("no checkpoint can be signed at present", error=str(error))
            await asyncio.sleep(self.interval if started else min(self.interval, _RESTART_SECONDS))

    async def sign(self) -> None:
        """Signs all events there are now, if there was traffic. Raises TransientError."""
        async with self._lock:
            history = self._history
            await history.catch_up()
            if history.broken:
                _log.error("nothing is signed: EVENTS differs from what was signed", difference=history.broken)
                return
            if not history.unsigned or time() - history.foreign_at < self.interval * _FOREIGN_INTERVALS:
                return
            signed = checkpoint.signed(self._key, history.size, history.root(history.size))
            await asyncio.to_thread(history.tree.sync)
            event = CheckpointSigned(at=datetime.now(UTC), origin=signed.origin, size=signed.size, note=signed.text)
            with suppress(ConflictError):  # another process was first: its checkpoint is as good
                await self._bus.events.append(event, expect=history.last_signed_event, expect_subject=SIGNED)
            await history.catch_up()

    async def rotate(self, by: str, reason: str) -> Rotation:
        """A new key signs from now on.

        Raises RefusedCommand, ConflictError, TransientError or BadKeyFile.
        """
        async with self._lock:
            history = self._history
            await history.catch_up()
            if history.broken:
                raise RefusedCommand(f"EVENTS isn't what was signed: {history.broken}")
            last = await self._bus.events.last_sequence(ROTATED)
            new = self._file.begin_rotation(self._key.public.name)
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
            self._file.complete_rotation()
            self._key, history.key = new, new.public
            history.files.write_key(new.public)
            await history.catch_up()
            return rotation

    async def _start(self) -> None:
        """Completes an interrupted rotation if its event is in EVENTS, else abandons it."""
        if new := self._file.next_key():
            await self._history.start(new.public)
            if any(rotation.new == new.public for rotation in self._history.rotations):
                self._file.complete_rotation()
                self._key = new
            else:
                self._file.abandon_rotation()
        await self._history.start(self._key.public)
        self._history.files.write_key(self._key.public)
