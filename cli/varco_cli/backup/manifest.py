"""What a backup says of itself. It is written last: without it there is no backup."""

from datetime import datetime
from typing import Any

import msgspec

FORMAT = 1


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in a backup, in `parts` pieces that were written one after the other.

    `size` in bytes, `sha256` of all.
    """

    name: str
    size: int
    sha256: str
    parts: int


class StreamEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as JetStream told of it, and its content."""

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
    """All of it.

    `tail` has the mails that came while the streams were read; `missing` what the object store had
    lost.
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
        """Everything that must be there."""
        files = [item.entry for item in (*self.databases, *self.secrets)]
        return [*(item.entry for item in self.streams), self.tail, *(item.entry for item in self.objects), *files]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries())
