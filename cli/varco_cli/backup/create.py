"""Creates a backup of a gate, which may be running.

The order of the steps makes it consistent: databases, MAIL, EVENTS, the mails that arrived
meanwhile, objects. Every event about a mail is younger than the mail. So the backup has the outcome
of each of its mails, and no event refers to a mail that it lacks. Databases that are behind the
streams catch up with them. A service stores an object before the record or event that refers to it.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from varco_cli.backup.files import BackupWriter
from varco_cli.backup.manifest import FORMAT, BackupManifest, FileEntry, ManifestEntry, ObjectEntry, StreamEntry
from varco_cli.backup.references import ObjectReference, body_references, is_still_needed, link_references
from varco_cli.backup.storage import BackupStorage, buckets
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.bus.stream_backup import RawRecord, StreamBackup
from varco_common.storage.object_store import MissingObject, ObjectStore

SECRETS = ("secrets/*", "tls/*", "admin.token", "demo.made", "places.json")
_CHUNK = 1024 * 1024
_LENGTH = 8  # bytes of the length that precedes each mail of the tail

Progress = Callable[[str], None]


class Backup:
    """Writes a backup of `storage` with `writer`."""

    def __init__(self, storage: BackupStorage, writer: BackupWriter, on_progress: Progress) -> None:
        self._storage, self._writer, self._on_progress = storage, writer, on_progress
        self._missing: list[str] = []

    async def create(self, *, with_secrets: bool) -> BackupManifest:
        """Writes everything and returns the manifest. Raises TransientError, OSError."""
        databases = [entry async for entry in self._databases()]
        async with (
            StreamBackup.open(self._storage.bus) as backup,
            Bus.connect(self._storage.bus, "operator", whole_log=True) as bus,
        ):
            before = (await backup.contents(subjects.MAIL)).last
            streams = [await self._stream(backup, stream) for stream in (subjects.MAIL, subjects.EVENTS)]
            tail = await self._writer.write("MAIL.tail", _packed(backup.read_mails(before)))
            objects = await self._objects(bus)
        manifest = BackupManifest(
            format=FORMAT,
            varco=version("varco-cli"),
            made_at=datetime.now(UTC),
            streams=streams,
            tail=tail,
            objects=objects,
            databases=databases,
            secrets=[entry async for entry in self._secrets()] if with_secrets else [],
            missing=self._missing,
        )
        self._writer.seal(manifest)
        return manifest

    async def _stream(self, backup: StreamBackup, stream: str) -> StreamEntry:
        contents = await backup.contents(stream)
        self._on_progress(f"{stream}: {contents.messages} messages, {contents.bytes} bytes")
        async with backup.snapshot(stream) as (about, pieces):
            return StreamEntry(stream=stream, about=about, entry=await self._writer.write(stream, pieces))

    async def _objects(self, bus: Bus) -> list[ObjectEntry]:
        entries: dict[tuple[str, str], ObjectEntry] = {}
        async with buckets(self._storage.blobs) as stores:
            async for reference in _references(bus):
                if (reference.bucket, reference.key) not in entries and (
                    entry := await self._object(bus, stores, reference, len(entries))
                ):
                    entries[reference.bucket, reference.key] = entry
                    if len(entries) % 1000 == 0:
                        self._on_progress(f"{len(entries)} objects")
        self._on_progress(f"objects: {len(entries)}")
        return [*entries.values()]

    async def _object(
        self, bus: Bus, stores: dict[str, ObjectStore], reference: ObjectReference, number: int
    ) -> ObjectEntry | None:
        try:
            entry = await self._writer.write(f"objects/{number:08}", stores[reference.bucket].stream(reference.key))
        except MissingObject:
            if await is_still_needed(bus, reference):
                self._missing.append(
                    f"{reference.bucket}/{reference.key} of {reference.why} is not in the object store"
                )
            return None
        if reference.sha256 and entry.sha256 != reference.sha256:
            self._missing.append(
                f"{reference.bucket}/{reference.key} of {reference.why} is not what was stored: the checksum differs"
            )
        return ObjectEntry(bucket=reference.bucket, key=reference.key, entry=entry)

    async def _databases(self) -> AsyncIterator[FileEntry]:
        """Copies the SQLite files, each as of one moment. PostgreSQL has its own backup tools."""
        if not self._storage.home:
            return
        for file in sorted((self._storage.home / "data").glob("*.sqlite")):
            self._on_progress(f"database {file.stem}")
            with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
                copy = Path(folder) / file.name
                await asyncio.to_thread(_copy, file, copy)
                yield FileEntry(path=f"data/{file.name}", entry=await self._file(f"databases/{file.name}", copy))

    async def _secrets(self) -> AsyncIterator[FileEntry]:
        assert self._storage.home, "the command refuses --with-secrets without a home"
        for file in (file for pattern in SECRETS for file in sorted(self._storage.home.glob(pattern))):
            path = str(file.relative_to(self._storage.home))
            yield FileEntry(path=path, entry=await self._file(f"home/{path}", file))

    async def _file(self, name: str, path: Path) -> ManifestEntry:
        with path.open("rb") as file:
            return await self._writer.write(name, _as_async(iter(lambda: file.read(_CHUNK), b"")))


def _copy(source: Path, to: Path) -> None:
    """Copies a database with SQLite's online backup; services may write meanwhile."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)


async def _references(bus: Bus) -> AsyncIterator[ObjectReference]:
    async for reference in body_references(bus):
        yield reference
    for reference in await link_references(bus):
        yield reference


async def _packed(mails: AsyncIterable[RawRecord]) -> AsyncIterator[bytes]:
    async for mail in mails:
        packed = msgspec.msgpack.encode(mail)
        yield len(packed).to_bytes(_LENGTH, "big") + packed


async def _as_async(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def unpacked(parts: Iterable[bytes]) -> AsyncIterator[RawRecord]:
    """Yields the mails of a tail."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        while len(buffer) >= _LENGTH and len(buffer) >= (end := _LENGTH + int.from_bytes(buffer[:_LENGTH], "big")):
            yield msgspec.msgpack.decode(bytes(buffer[_LENGTH:end]), type=RawRecord)
            del buffer[:end]
