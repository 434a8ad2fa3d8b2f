"""The files of a backup: a directory, or one tar file.

Each entry is divided into parts, so that no entry must fit into memory.
"""

import contextlib
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Protocol, Self

import msgspec

from varco_cli.backup.manifest import FORMAT, BackupManifest, ManifestEntry

PART_BYTES = 8 * 1024 * 1024
MANIFEST, SEAL = "manifest.json", "manifest.sha256"


class BrokenBackup(Exception):
    """The backup can't be restored. The text says why."""


class BackupTarget(Protocol):
    """Stores parts by their names."""

    def write(self, name: str, data: bytes) -> None: ...
    def read(self, name: str) -> bytes: ...
    def close(self) -> None: ...


class DirectoryTarget:
    """Stores each part as a file, which only its owner may read: it contains mail."""

    def __init__(self, path: Path, *, new: bool) -> None:
        self._path, self._new = path, new
        if new:
            path.mkdir(mode=0o700, parents=True)

    def write(self, name: str, data: bytes) -> None:
        file = self._path / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def close(self) -> None:
        if self._new:
            os.sync()


class TarTarget:
    """Stores each part as a member of one tar file."""

    def __init__(self, path: Path, *, new: bool) -> None:
        self._new = new
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if new else os.O_RDONLY
        self._file = os.fdopen(os.open(path, flags, 0o600), "r+b" if new else "rb")
        try:
            self._tar = tarfile.TarFile(fileobj=self._file, mode="w" if new else "r", format=tarfile.PAX_FORMAT)
        except BaseException:
            self._file.close()
            raise

    def write(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._tar.addfile(member, io.BytesIO(data))

    def read(self, name: str) -> bytes:
        member = self._tar.extractfile(name)
        assert member, "a regular member"
        return member.read()

    def close(self) -> None:
        self._tar.close()
        if self._new:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()


def _target(path: Path, *, new: bool) -> BackupTarget:
    tar = path.suffix == ".tar" if new else path.is_file()
    return TarTarget(path, new=new) if tar else DirectoryTarget(path, new=new)


class BackupWriter:
    """Writes a new backup. It is broken until `seal` is called."""

    def __init__(self, path: Path) -> None:
        self._target = _target(path, new=True)

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Creates the directory or file. Raises OSError where it exists or can't be written."""
        writer = cls(path)
        try:
            yield writer
        finally:
            writer._target.close()

    async def write(self, name: str, pieces: AsyncIterable[bytes]) -> ManifestEntry:
        """Writes the pieces as parts, and returns their size and checksum."""
        digest, size, parts, buffer = hashlib.sha256(), 0, 0, bytearray()
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
            buffer += piece
            if len(buffer) >= PART_BYTES:
                self._target.write(_part(name, parts), bytes(buffer))
                parts += 1
                buffer.clear()
        if buffer:
            self._target.write(_part(name, parts), bytes(buffer))
            parts += 1
        return ManifestEntry(name=name, size=size, sha256=digest.hexdigest(), parts=parts)

    def seal(self, manifest: BackupManifest) -> None:
        """Writes the manifest, which completes the backup."""
        text = msgspec.json.format(msgspec.json.encode(manifest))
        self._target.write(MANIFEST, text)
        self._target.write(SEAL, hashlib.sha256(text).hexdigest().encode())


class BackupReader:
    """Reads a backup. Every method raises BrokenBackup."""

    def __init__(self, target: BackupTarget) -> None:
        self._target = target
        self.manifest = self._manifest()

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        with _readable(str(path)):
            target = _target(path, new=False)
        try:
            yield cls(target)
        finally:
            target.close()

    def pieces(self, entry: ManifestEntry) -> Iterator[bytes]:
        """Yields the parts of an entry; the last one only if the checksum is right."""
        digest, size = hashlib.sha256(), 0
        for number in range(entry.parts):
            with _readable(_part(entry.name, number)):
                part = self._target.read(_part(entry.name, number))
            digest.update(part)
            size += len(part)
            if number == entry.parts - 1 and (size, digest.hexdigest()) != (entry.size, entry.sha256):
                raise BrokenBackup(f"{entry.name} isn't what was written: the checksum differs")
            yield part

    def check(self) -> Iterator[ManifestEntry]:
        """Reads everything, and yields each entry whose checksum is right."""
        for entry in self.manifest.entries():
            for _ in self.pieces(entry):
                pass
            yield entry

    def _manifest(self) -> BackupManifest:
        try:
            text, seal = self._target.read(MANIFEST), self._target.read(SEAL)
        except (OSError, KeyError, tarfile.TarError):
            raise BrokenBackup("no manifest: the backup was never finished, or this is none") from None
        if hashlib.sha256(text).hexdigest() != seal.decode(errors="replace").strip():
            raise BrokenBackup(f"{MANIFEST} isn't what was written: the checksum differs")
        if (document := msgspec.json.decode(text)).get("format") != FORMAT:
            raise BrokenBackup(f"format {document.get('format')}: this version of Varco reads format {FORMAT}")
        return msgspec.convert(document, BackupManifest)


def _part(name: str, number: int) -> str:
    return f"{name}.{number:05}"


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, tarfile.TarError, EOFError) as error:
        raise BrokenBackup(f"{what} can't be read: {error}") from error
