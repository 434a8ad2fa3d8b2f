"""The signing key in its file: mode 0600, made at the first start, replaced by a rotation."""

import os
from contextlib import suppress
from pathlib import Path

from varco_common.base.ids import new_id
from varco_common.transparency.signed_note import BadNote, SigningKey

_WIDER = 0o077


class BadKeyFile(Exception):
    """The file can't be used; the text is what is expected of it instead."""


class SigningKeyFile:
    """`path` and, while a rotation is under way, `path`.next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.following = path.with_name(f"{path.name}.next")

    def key(self, origin: str) -> SigningKey:
        """The key; where there is no file a new one, for log `origin` (empty: a log of its own). Raises BadKeyFile."""
        with suppress(FileNotFoundError):
            return self._read(self.path)
        self._write(self.path, SigningKey.new(origin or f"varco-{new_id()}"))
        return self._read(self.path)

    def next(self) -> SigningKey | None:
        """The key of a rotation that was begun; None where none was. Raises BadKeyFile."""
        with suppress(FileNotFoundError):
            return self._read(self.following)
        return None

    def begin(self, origin: str) -> SigningKey:
        """A new key, on disk before anybody hears of it. Raises BadKeyFile."""
        self.abandon()
        self._write(self.following, SigningKey.new(origin))
        return self._read(self.following)

    def complete(self) -> None:
        """From now on the new key is the key; the old one is gone."""
        self.following.replace(self.path)
        _sync(self.path.parent)

    def abandon(self) -> None:
        self.following.unlink(missing_ok=True)

    def _read(self, path: Path) -> SigningKey:
        try:
            mode = path.stat().st_mode & 0o777
            if mode & _WIDER:
                raise BadKeyFile(f"a file of mode 0600 (it has {mode:04o}: others may have read the key; rotate it)")
            return SigningKey.parse(path.read_text())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BadKeyFile(f"a readable file ({error.strerror})") from None
        except (BadNote, UnicodeDecodeError):
            raise BadKeyFile("a file with a signing key, as audit makes it where there is none") from None

    def _write(self, path: Path, key: SigningKey) -> None:
        """Whole or not at all."""
        unfinished = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(key.text() + "\n")
                file.flush()
                os.fsync(descriptor)
            unfinished.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise BadKeyFile(f"a file that can be written ({error.strerror})") from None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
