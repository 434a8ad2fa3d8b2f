"""The manifest of a backup. It is written last: a backup without it is incomplete."""

from datetime import datetime
from typing import Any

import msgspec

FORMAT = 1


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a backup, which consists of `parts` parts.

    `size` (bytes) and `sha256` are those of all parts together.
    """

    name: str
    size: int
    sha256: str
    parts: int


class StreamEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A stream: `about` is JetStream's description of it, `entry` its content."""

    stream: str
    about: dict[str, Any]
    entry: ManifestEntry


class ObjectEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An object of the store."""

    bucket: str
    key: str
    entry: ManifestEntry


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of VARCO_HOME, by its path there."""

    path: str
    entry: ManifestEntry


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole backup.

    `tail` has the mails that arrived while the streams were read. `missing` names the objects that
    the object store had lost.
    """

    format: int
    varco: str
    made_at: datetime
    streams: list[StreamEntry]
    tail: ManifestEntry
    objects: list[ObjectEntry]
    databases: list[FileEntry]
    secrets: list[FileEntry]
    missing: list[str]

    def entries(self) -> list[ManifestEntry]:
        """Returns every entry that the backup must contain."""
        files = [item.entry for item in (*self.databases, *self.secrets)]
        return [*(item.entry for item in self.streams), self.tail, *(item.entry for item in self.objects), *files]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries())
