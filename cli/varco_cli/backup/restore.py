"""Restores a backup into an empty bus and an empty object store.

No service may run there yet.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from varco_cli.backup.create import unpacked
from varco_cli.backup.files import BackupReader, BrokenBackup
from varco_cli.backup.manifest import FileEntry, StreamEntry
from varco_cli.backup.storage import BackupStorage, buckets
from varco_common.base import subjects
from varco_common.base.durable_file import durable_writer, make_directory
from varco_common.bus.stream_backup import StreamBackup, StreamContents

_CHUNK = 512 * 1024
_CONSUMERS_IN_STREAMS = (
    "relay-",
    "filelink",
)  # they continue where they were, because the streams show what they have done

Progress = Callable[[str], None]


class NotEmpty(Exception):
    """The target of the restore is not empty. The text says what is there."""


def check_home(home: Path, reader: BackupReader) -> None:
    """Raises NotEmpty where the home has databases, or secrets although the backup brings some."""
    if databases := [*(home / "data").glob("*.sqlite")]:
        raise NotEmpty(f"{home} has databases already ({databases[0].name}): name an empty VARCO_HOME")
    if reader.manifest.secrets and (home / "secrets").exists():
        raise NotEmpty(f"{home} has secrets already, and the backup brings its own: name an empty VARCO_HOME")


def write_files(home: Path, reader: BackupReader, files: Iterable[FileEntry]) -> None:
    """Writes databases or secrets into VARCO_HOME, with mode 0600."""
    for file_entry in files:
        path = (home / file_entry.path).resolve()
        if not path.is_relative_to(home.resolve()):
            raise BrokenBackup(f"{file_entry.path} isn't in VARCO_HOME")
        make_directory(path.parent)
        with durable_writer(path) as file:
            file.writelines(reader.pieces(file_entry.entry))


class Restore:
    """Restores a backup into `storage`."""

    def __init__(self, storage: BackupStorage, reader: BackupReader, on_progress: Progress, *, replicas: int) -> None:
        self._storage, self._reader, self._on_progress, self._replicas = storage, reader, on_progress, replicas

    async def restore(self) -> dict[str, StreamContents]:
        """Restores objects and streams, and returns the contents of the streams.

        Raises NotEmpty, BrokenBackup, TransientError; it has deleted the streams then.
        """
        async with StreamBackup.open(self._storage.bus) as backup:
            for stream in (subjects.MAIL, subjects.EVENTS):
                if (contents := await backup.contents(stream)).last:
                    raise NotEmpty(f"{stream} has had {contents.last} messages already: restore into an empty bus")
            await self._objects()
            try:
                return await self._streams(backup)
            except BaseException:
                for stream in (subjects.MAIL, subjects.EVENTS):
                    await backup.delete(stream)
                raise

    async def _streams(self, backup: StreamBackup) -> dict[str, StreamContents]:
        for stream_entry in self._reader.manifest.streams:
            self._on_progress(f"{stream_entry.stream}: {stream_entry.entry.size} bytes")
            await self._stream(backup, stream_entry)
        count = await backup.append_mails(unpacked(self._reader.pieces(self._reader.manifest.tail)))
        self._on_progress(f"mails that arrived during the backup: {count}")
        return {
            stream_entry.stream: await backup.contents(stream_entry.stream)
            for stream_entry in self._reader.manifest.streams
        }

    async def _stream(self, backup: StreamBackup, stream_entry: StreamEntry) -> None:
        pieces = _chunks(self._reader.pieces(stream_entry.entry))
        contents = await backup.restore(stream_entry.stream, stream_entry.about, pieces, replicas=self._replicas)
        if contents.last < stream_entry.about["state"]["last_seq"]:
            raise BrokenBackup(
                f"{stream_entry.stream} ends at {contents.last}, and ended at {stream_entry.about['state']['last_seq']}"
            )
        await backup.delete_consumers(stream_entry.stream, keep=_CONSUMERS_IN_STREAMS)

    async def _objects(self) -> None:
        objects = self._reader.manifest.objects
        async with buckets(self._storage.blobs) as stores:
            for number, object_entry in enumerate(objects, 1):
                upload = stores[object_entry.bucket].upload(object_entry.key)
                try:
                    for piece in self._reader.pieces(object_entry.entry):
                        await upload.write(piece)
                    await upload.finish()
                except BaseException:
                    await upload.abort()
                    raise
                if number % 1000 == 0:
                    self._on_progress(f"{number} of {len(objects)} objects")
        self._on_progress(f"objects: {len(objects)}")


async def _chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yields chunks of the size that the bus accepts in one message."""
    for part in parts:
        for start in range(0, len(part), _CHUNK):
            yield part[start : start + _CHUNK]
