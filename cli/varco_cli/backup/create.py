"""Takes a backup of a gate that may be at work.

The order makes it consistent: databases, MAIL, EVENTS, the mails that came meanwhile, objects.
Every fact about a mail is younger than the mail, so no mail's outcome is missed, and no event
speaks of a mail that isn't there. Databases that are behind the streams catch up with them; objects
are put before the record or the event that refers to them.
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
from varco_cli.backup.references import ObjectReference, of_links, of_mails, still
from varco_cli.backup.storage import BackupStorage, buckets
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.bus.stream_backup import RawRecord, StreamBackup
from varco_common.storage.object_store import ObjectStore
from varco_common.storage.s3_connection import MissingObject

SECRETS = ("secrets/*", "tls/*", "admin.token", "demo.made", "places.json")
_CHUNK = 1024 * 1024
_LENGTH = 8  # bytes before each mail of the tail

Say = Callable[[str], None]


class Backup:
    """One backup of `storage` into `writer`."""

    def __init__(self, storage: BackupStorage, writer: BackupWriter, say: Say) -> None:
        self._storage, self._writer, self._say = storage, writer, say
        self._missing: list[str] = []

    async def take(self, *, with_secrets: bool) -> BackupManifest:
        """The manifest, once all of it is written. Raises TransientError, OSError."""
        databases = [entry async for entry in self._databases()]
        async with StreamBackup.open(self._storage.bus) as backup, Bus.connect(self._storage.bus, "operator") as bus:
            before = (await backup.contents(subjects.MAIL)).last
            streams = [await self._stream(backup, stream) for stream in (subjects.MAIL, subjects.EVENTS)]
            tail = await self._writer.keep("MAIL.tail", _packed(backup.read_mails(before)))
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
        self._say(f"{stream}: {contents.messages} messages, {contents.bytes} bytes")
        async with backup.snapshot(stream) as (about, pieces):
            return StreamEntry(stream=stream, about=about, entry=await self._writer.keep(stream, pieces))

    async def _objects(self, bus: Bus) -> list[ObjectEntry]:
        kept: dict[tuple[str, str], ObjectEntry] = {}
        async with buckets(self._storage.blobs) as stores:
            async for reference in _all(bus):
                if (reference.bucket, reference.key) not in kept and (
                    entry := await self._object(bus, stores, reference, len(kept))
                ):
                    kept[reference.bucket, reference.key] = entry
                    if len(kept) % 1000 == 0:
                        self._say(f"{len(kept)} objects")
        self._say(f"objects: {len(kept)}")
        return [*kept.values()]

    async def _object(
        self, bus: Bus, stores: dict[str, ObjectStore], reference: ObjectReference, number: int
    ) -> ObjectEntry | None:
        try:
            entry = await self._writer.keep(f"objects/{number:08}", stores[reference.bucket].stream(reference.key))
        except MissingObject:
            if await still(bus, reference):
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
        """SQLite files, each as of one moment. What lies in PostgreSQL its own tools dump."""
        if not self._storage.home:
            return
        for file in sorted((self._storage.home / "data").glob("*.sqlite")):
            self._say(f"database {file.stem}")
            with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
                copy = Path(folder) / file.name
                await asyncio.to_thread(_copy, file, copy)
                yield FileEntry(path=f"data/{file.name}", entry=await self._file(f"databases/{file.name}", copy))

    async def _secrets(self) -> AsyncIterator[FileEntry]:
        assert self._storage.home, "the command line has seen to it"
        for file in (file for pattern in SECRETS for file in sorted(self._storage.home.glob(pattern))):
            path = str(file.relative_to(self._storage.home))
            yield FileEntry(path=path, entry=await self._file(f"home/{path}", file))

    async def _file(self, name: str, path: Path) -> ManifestEntry:
        with path.open("rb") as file:
            return await self._writer.keep(name, _each(iter(lambda: file.read(_CHUNK), b"")))


def _copy(source: Path, to: Path) -> None:
    """SQLite's own online backup: others may write meanwhile."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)


async def _all(bus: Bus) -> AsyncIterator[ObjectReference]:
    async for reference in of_mails(bus):
        yield reference
    for reference in await of_links(bus):
        yield reference


async def _packed(mails: AsyncIterable[RawRecord]) -> AsyncIterator[bytes]:
    async for mail in mails:
        packed = msgspec.msgpack.encode(mail)
        yield len(packed).to_bytes(_LENGTH, "big") + packed


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def unpacked(parts: Iterable[bytes]) -> AsyncIterator[RawRecord]:
    """The mails of a tail, from its parts."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        while len(buffer) >= _LENGTH and len(buffer) >= (end := _LENGTH + int.from_bytes(buffer[:_LENGTH], "big")):
            yield msgspec.msgpack.decode(bytes(buffer[_LENGTH:end]), type=RawRecord)
            del buffer[:end]
