"""EVENTS as it was signed: the tree over it, its checkpoints and keys, and whether they agree."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from time import time
from typing import NamedTuple

import msgspec

from varco_audit import metrics
from varco_audit.table_projection import ALL_EVENTS
from varco_audit.transparency.checkpoint_files import CheckpointFiles
from varco_audit.transparency.tree_files import TreeFiles
from varco_common.base import log
from varco_common.base.errors import ConflictError, RefusedCommand, TransientError
from varco_common.bus import Bus, StreamMessage
from varco_common.events import CheckpointKeyRotated, CheckpointSigned
from varco_common.transparency import inclusion, leaf, merkle_tree, verification
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.signed_note import BadNote, BadSignature, PublicKey

SIGNED = CheckpointSigned.subject_filter()
ROTATED = CheckpointKeyRotated.subject_filter()

_HASHES_PER_WRITE = 512
_log = log.get(__name__)


class StoredCheckpoint(NamedTuple):
    """A checkpoint, and when EVENTS stored it."""

    checkpoint: Checkpoint
    at: datetime


class _Note(msgspec.Struct):
    note: str


class SignedHistory:
    """Only `catch_up` makes it grow.

    `broken` says how EVENTS differs from what was signed; it is empty if it does not.
    """

    def __init__(self, bus: Bus, tree: TreeFiles, files: CheckpointFiles) -> None:
        self.tree, self.files = tree, files
        self.key = PublicKey("", b"")  # the key that signs now
        self.rotations: list[Rotation] = []
        self.last: StoredCheckpoint | None = None
        self.last_signed_event = 0  # the sequence of the last CheckpointSigned, of any signer
        self.foreign_at = 0.0  # when a checkpoint by an unknown key was stored, in seconds since 1970
        self.broken = ""
        self._bus = bus
        self._last_traffic = 0  # the sequence of the last event that is no checkpoint
        self._started = False
        self._lock = asyncio.Lock()
        metrics.TREE.set_function(lambda: self.size)
        metrics.UNSIGNED.set_function(lambda: self.unsigned)
        metrics.SIGNED.set_function(lambda: self.signed_size)
        metrics.SIGNED_AT.set_function(lambda: self.last.at.timestamp() if self.last else 0)
        metrics.CHECKPOINT_AGE.set_function(lambda: time() - self.last.at.timestamp() if self.last else 0)
        metrics.BROKEN.set_function(lambda: bool(self.broken))

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def signed_size(self) -> int:
        return self.last.checkpoint.size if self.last else 0

    @property
    def unsigned(self) -> int:
        """The number of events behind the last checkpoint, up to the last that is no checkpoint."""
        return max(self._last_traffic - self.signed_size, 0)

    @property
    def chain(self) -> Chain:
        return Chain([self.key], self.rotations)

    def root(self, size: int) -> bytes:
        return merkle_tree.root(size, self.tree.node)

    async def origin(self) -> str:
        """The name of the log in the last checkpoint in EVENTS; empty if there is none."""
        newest = await self._newest()
        return newest.checkpoint.origin if newest else ""

    def check(self) -> None:
        """Raises TransientError until `start` is done."""
        if not self._started:
            raise TransientError(f"the tree over EVENTS is being made: {self.size} events so far")

    async def start(self, key: PublicKey) -> None:
        """Takes from disk what the last checkpoint covers, and the rest from EVENTS."""
        self.key = key
        await self._read_rotations()
        newest = await self._newest()
        expected = newest.checkpoint if newest else None
        file = self.files.latest()
        if file and file.size > (expected.size if expected else 0) and self._is_ours(file):
            expected = file  # it was in EVENTS before it became a file
            self._break(f"{file.size} events were signed, of which EVENTS knows no more")
        if expected and self._agrees(expected):
            self.tree.truncate(expected.size)
            self._last_traffic = expected.size
            self.last = newest if newest and self._is_ours(newest.checkpoint) else None
        else:
            if self.size and expected:
                _log.warning("the tree on disk does not fit the last checkpoint: computing it anew", size=expected.size)
            self.tree.truncate(0)
        await self.catch_up()
        if expected and not self.broken and not self._agrees(expected):
            self._break(f"the first {expected.size} events aren't those that were signed")
        self._started = True

    async def catch_up(self) -> None:
        """Adds all events that EVENTS has now. Raises TransientError."""
        async with self._lock:
            if (last := await self._bus.events.last_sequence(ALL_EVENTS)) <= self.size:
                return
            hashes: list[bytes] = []
            async with aclosing(self._bus.events.follow_raw(ALL_EVENTS, after=self.size, last=last)) as raws:
                async for raw in raws:
                    self._add(raw, hashes)
            self._write(hashes)

    def proof(self, entry: LogEntry) -> bytes:
        """The proof that the last checkpoint covers the event.

        Raises ConflictError if it does not, and RefusedCommand if the event was altered.
        """
        if self.last is None or entry.sequence > self.signed_size:
            raise ConflictError(f"no checkpoint covers event {entry.sequence} yet")
        path = merkle_tree.inclusion_path(entry.sequence - 1, self.signed_size, self.tree.node)
        rotations = [rotation.text for rotation in self.rotations]
        proof = inclusion.proof(entry, path, self.last.checkpoint.text, rotations)
        try:
            inclusion.check(proof, self.chain.keys)
        except inclusion.NotProven:
            self.report_failure(f"event {entry.sequence} isn't what was signed")
            raise RefusedCommand(f"event {entry.sequence} isn't what was signed: run `varco audit verify`") from None
        return proof

    async def event(self, sequence: int) -> LogEntry:
        """Raises NotFound."""
        return entry_of(await self._bus.events.get(sequence))

    def report_failure(self, difference: str) -> None:
        """Counts and logs that EVENTS was found altered."""
        metrics.FAILURES.inc()
        _log.error("EVENTS differs from what was signed", difference=difference)

    def _break(self, difference: str) -> None:
        self.broken = difference
        self.report_failure(difference)

    def _agrees(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.size <= self.size and self.root(checkpoint.size) == checkpoint.root

    def _add(self, raw: StreamMessage, hashes: list[bytes]) -> None:
        """A sequence that EVENTS lacks has a leaf too, so that leaf n is always event n + 1."""
        hashes += [leaf.absent(sequence) for sequence in range(self.size + len(hashes) + 1, raw.sequence)]
        hashes.append(leaf.hash_of(entry_of(raw)))
        if raw.subject.startswith(verification.CHECKPOINT_PREFIX):
            self._write(hashes)
            self._add_checkpoint(raw)
        else:
            self._last_traffic = raw.sequence
            if raw.subject.startswith(ROTATED.removesuffix("*")):
                self._add_rotation(raw)
        if len(hashes) >= _HASHES_PER_WRITE:
            self._write(hashes)

    def _write(self, hashes: list[bytes]) -> None:
        self.tree.append(hashes)
        metrics.HASHED.inc(len(hashes))
        hashes.clear()

    def _add_checkpoint(self, raw: StreamMessage) -> None:
        self.last_signed_event = raw.sequence
        if not (checkpoint := verification.inner(entry_of(raw))):
            return
        if not self._is_ours(checkpoint):
            self.foreign_at = raw.at / 1e9
            _log.warning("a checkpoint by an unknown key", sequence=raw.sequence, origin=checkpoint.origin)
        elif checkpoint.size >= raw.sequence or not self._agrees(checkpoint):
            self._break(f"the first {checkpoint.size} events aren't those that were signed")
        else:
            self.last = _stored(checkpoint, raw)
            self.files.write_checkpoint(*self.last)

    def _is_ours(self, checkpoint: Checkpoint) -> bool:
        try:
            self.chain.verify(checkpoint)
        except BadSignature:
            return False
        return True

    def _add_rotation(self, raw: StreamMessage) -> None:
        try:
            rotation = Rotation.parse(msgspec.json.decode(raw.payload, type=_Note).note)
        except (msgspec.DecodeError, UnicodeDecodeError, BadNote) as error:
            _log.error("a key rotation that can't be read", sequence=raw.sequence, error=str(error))
            return
        if rotation not in self.rotations:
            self.rotations.append(rotation)
            self.files.write_rotation(rotation)

    async def _read_rotations(self) -> None:
        last = await self._bus.events.last_sequence(ROTATED)
        async with aclosing(self._bus.events.follow_raw(ROTATED, last=last)) as raws:
            async for raw in raws:
                self._add_rotation(raw)

    async def _newest(self) -> StoredCheckpoint | None:
        if not (sequence := await self._bus.events.last_sequence(SIGNED)):
            return None
        self.last_signed_event = sequence
        raw = await self._bus.events.get(sequence)
        checkpoint = verification.inner(entry_of(raw))
        return _stored(checkpoint, raw) if checkpoint else None


def _stored(checkpoint: Checkpoint, raw: StreamMessage) -> StoredCheckpoint:
    return StoredCheckpoint(checkpoint, datetime.fromtimestamp(raw.at / 1e9, UTC))


def entry_of(raw: StreamMessage) -> LogEntry:
    """The event as the tree hashes it."""
    return LogEntry(raw.sequence, raw.at, raw.subject, raw.payload)


async def read_entries(bus: Bus, after: int, last: int) -> AsyncGenerator[LogEntry, None]:
    """The events in (after, last]; EVENTS must have the last one."""
    async with aclosing(bus.events.follow_raw(ALL_EVENTS, after=after, last=last)) as raws:
        async for raw in raws:
            yield entry_of(raw)
