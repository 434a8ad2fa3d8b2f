"""The tree in step with EVENTS: its leaves, the checkpoints and keys that EVENTS names, and whether all of it agrees."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from time import time
from typing import NamedTuple

import msgspec

from varco_audit.transparency import metrics
from varco_audit.transparency.checkpoint_files import CheckpointFiles
from varco_audit.transparency.tree_files import TreeFiles
from varco_common.base import log
from varco_common.base.errors import ConflictError, NotFound, RefusedCommand, TransientError
from varco_common.bus import Bus, RawEvent
from varco_common.events import CheckpointKeyRotated, CheckpointSigned
from varco_common.transparency import inclusion, leaf, merkle_tree, verification
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.signed_note import BadNote, BadSignature, PublicKey

ALL = "events.>"
SIGNED = CheckpointSigned.subject_filter()
ROTATED = CheckpointKeyRotated.subject_filter()

_BATCH = 512
_log = log.get(__name__)


class StoredCheckpoint(NamedTuple):
    """A checkpoint and when it was stored as an event."""

    checkpoint: Checkpoint
    at: datetime


class _Note(msgspec.Struct):
    note: str


class SignedHistory:
    """`catch_up` is all that makes it grow. `broken` says why EVENTS isn't what was signed; empty: it is."""

    def __init__(self, bus: Bus, levels: TreeFiles, shelf: CheckpointFiles) -> None:
        self.levels, self.shelf = levels, shelf
        self.key = PublicKey("", b"")  # that signs now
        self.rotations: list[Rotation] = []
        self.last: StoredCheckpoint | None = None
        self.guard = 0  # the last CheckpointSigned of whomever, by its sequence
        self.stranger = 0.0  # when one was seen that none of our keys signed, in seconds since 1970
        self.broken = ""
        self._bus = bus
        self._traffic = 0
        self._started = False
        self._lock = asyncio.Lock()
        metrics.TREE.set_function(lambda: levels.size)
        metrics.UNSIGNED.set_function(lambda: self.unsigned)
        metrics.SIZE.set_function(lambda: self.signed_size)
        metrics.SIGNED_AT.set_function(lambda: self.last.at.timestamp() if self.last else 0)
        metrics.AGE.set_function(lambda: time() - self.last.at.timestamp() if self.last else 0)
        metrics.BROKEN.set_function(lambda: bool(self.broken))

    @property
    def size(self) -> int:
        return self.levels.size

    @property
    def signed_size(self) -> int:
        return self.last.checkpoint.size if self.last else 0

    @property
    def unsigned(self) -> int:
        """Events behind the last checkpoint, up to the last one that is no checkpoint itself."""
        return max(self._traffic - self.signed_size, 0)

    @property
    def chain(self) -> Chain:
        return Chain([self.key], self.rotations)

    def root(self, size: int) -> bytes:
        return merkle_tree.root(size, self.levels.node)

    async def origin(self) -> str:
        """The log's name, as the last checkpoint in EVENTS has it; empty where there is none."""
        found = await self._newest()
        return found.checkpoint.origin if found else ""

    def check(self) -> None:
        """Raises TransientError until `start` is done."""
        if not self._started:
            raise TransientError(f"the tree over EVENTS is being made: {self.size} events so far")

    async def start(self, key: PublicKey) -> None:
        """What is on disk is used as far as the last checkpoint vouches for it; all else is read from EVENTS again."""
        self.key = key
        await self._read_rotations()
        newest = await self._newest()
        expected = newest.checkpoint if newest else None
        kept = self.shelf.latest()
        if kept and kept.size > (expected.size if expected else 0) and self._ours(kept):
            expected = kept  # what is on the shelf was in EVENTS before
            self._break(f"{kept.size} events were signed, of which EVENTS knows no more")
        if expected is None or expected.size > self.size or self.root(expected.size) != expected.root:
            if self.size and expected:
                _log.warning("the tree on disk isn't that of the last checkpoint: it is made anew", size=expected.size)
            self.levels.cut(0)
        else:
            self.levels.cut(expected.size)
            self._traffic = expected.size
            self.last = newest if newest and self._ours(newest.checkpoint) else None
        await self.catch_up()
        if expected and not self.broken and (expected.size > self.size or self.root(expected.size) != expected.root):
            self._break(f"the first {expected.size} events aren't those that were signed")
        self._started = True

    async def catch_up(self) -> None:
        """Takes all that EVENTS has now. Raises TransientError."""
        async with self._lock:
            if (until := await self._bus.events.last_sequence(ALL)) <= self.size:
                return
            batch: list[bytes] = []
            async with aclosing(self._bus.events.follow_raw(ALL, after=self.size)) as events:
                async for raw in events:
                    self._take(raw, batch)
                    if raw.sequence >= until:
                        break
            self._flush(batch)

    def proof(self, entry: LogEntry) -> bytes:
        """That the event is in the log, under the last checkpoint. Raises NotFound, ConflictError, RefusedCommand."""
        if self.last is None or entry.sequence > self.signed_size:
            raise ConflictError(f"no checkpoint covers event {entry.sequence} yet")
        path = merkle_tree.inclusion_path(entry.sequence - 1, self.signed_size, self.levels.node)
        found = inclusion.proof(entry, path, self.last.checkpoint.text, [one.text for one in self.rotations])
        try:
            inclusion.check(found, self.chain.keys)
        except inclusion.NotProven:
            self.failed(f"event {entry.sequence} isn't what was signed")
            raise RefusedCommand(f"event {entry.sequence} isn't what was signed: run `varco audit verify`") from None
        return found

    async def event(self, sequence: int) -> LogEntry:
        """Raises NotFound."""
        if sequence < 1:
            raise NotFound(f"no event {sequence}")
        return entry_of(await self._bus.events.get(sequence))

    def failed(self, why: str) -> None:
        metrics.FAILURES.inc()
        _log.error("EVENTS isn't what was signed", why=why)

    def _break(self, why: str) -> None:
        self.broken = why
        self.failed(why)

    def _take(self, raw: RawEvent, batch: list[bytes]) -> None:
        batch += [leaf.absent(n) for n in range(self.size + len(batch) + 1, raw.sequence)]
        batch.append(leaf.hash_of(entry_of(raw)))
        if not raw.subject.startswith(verification.SIGNED_HERE):
            self._traffic = raw.sequence
            if raw.subject.startswith(ROTATED[:-1]):
                self._rotated(raw)
        else:
            self._flush(batch)
            self._signed(raw)
        if len(batch) >= _BATCH:
            self._flush(batch)

    def _flush(self, batch: list[bytes]) -> None:
        self.levels.append(batch)
        metrics.HASHED.inc(len(batch))
        batch.clear()

    def _signed(self, raw: RawEvent) -> None:
        self.guard = raw.sequence
        if not (checkpoint := verification.inner(entry_of(raw))):
            return
        if not self._ours(checkpoint):
            self.stranger = raw.at / 1e9
            _log.warning("a checkpoint that none of our keys signed", sequence=raw.sequence, origin=checkpoint.origin)
            return
        if checkpoint.size >= raw.sequence or self.root(checkpoint.size) != checkpoint.root:
            self._break(f"the first {checkpoint.size} events aren't those that were signed")
            return
        self.last = StoredCheckpoint(checkpoint, datetime.fromtimestamp(raw.at / 1e9, UTC))
        self.shelf.put(*self.last)

    def _ours(self, checkpoint: Checkpoint) -> bool:
        try:
            self.chain.verify(checkpoint)
        except BadSignature:
            return False
        return True

    def _rotated(self, raw: RawEvent) -> None:
        try:
            rotation = Rotation.parse(msgspec.json.decode(raw.payload, type=_Note).note)
        except (msgspec.DecodeError, UnicodeDecodeError, BadNote) as error:
            _log.error("a rotation of keys that can't be used", sequence=raw.sequence, error=str(error))
            return
        if rotation not in self.rotations:
            self.rotations.append(rotation)
            self.shelf.put_rotation(rotation)

    async def _read_rotations(self) -> None:
        if until := await self._bus.events.last_sequence(ROTATED):
            async with aclosing(self._bus.events.follow_raw(ROTATED)) as events:
                async for raw in events:
                    self._rotated(raw)
                    if raw.sequence >= until:
                        return

    async def _newest(self) -> StoredCheckpoint | None:
        if not (sequence := await self._bus.events.last_sequence(SIGNED)):
            return None
        self.guard = sequence
        raw = await self._bus.events.get(sequence)
        checkpoint = verification.inner(entry_of(raw))
        return StoredCheckpoint(checkpoint, datetime.fromtimestamp(raw.at / 1e9, UTC)) if checkpoint else None


def entry_of(raw: RawEvent) -> LogEntry:
    return LogEntry(raw.sequence, raw.at, raw.subject, raw.payload)


async def read_entries(bus: Bus, after: int, until: int) -> AsyncGenerator[LogEntry, None]:
    """The events of EVENTS behind `after` and up to `until`, which must be there."""
    if until <= after:
        return
    async with aclosing(bus.events.follow_raw(ALL, after=after)) as events:
        async for raw in events:
            yield entry_of(raw)
            if raw.sequence >= until:
                return
