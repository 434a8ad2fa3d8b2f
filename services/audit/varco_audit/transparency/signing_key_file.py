"""The file of the signing key: mode 0600, made at the first start, replaced by a rotation."""

from contextlib import suppress
from pathlib import Path

from varco_common.base.durable_file import make_directory, sync_directory, write_durable
from varco_common.base.ids import new_id
from varco_common.transparency.signed_note import BadNote, SigningKey

_GROUP_AND_OTHERS = 0o077
_REMEDY = (
    "if it was damaged, restore it from a backup, or delete it: audit then makes another key, "
    "which those who verify must be given (docs/proof.md)"
)


class BadKeyFile(Exception):
    """The file can't be used. The text says what is expected instead."""


class SigningKeyFile:
    """`path`, and during a rotation `<path>.next` with the new key. Methods raise BadKeyFile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next_path = path.with_name(f"{path.name}.next")

    def key(self, origin: str) -> SigningKey:
        """The key; without a file a new one, for log `origin` or, if that is empty, a new log."""
        with suppress(FileNotFoundError):
            return self._read(self.path)
        return self._write(self.path, SigningKey.new(origin or f"varco-{new_id()}"))

    def next_key(self) -> SigningKey | None:
        """The new key of a rotation that was begun; None if there is none."""
        with suppress(FileNotFoundError):
            return self._read(self._next_path)
        return None

    def begin_rotation(self, origin: str) -> SigningKey:
        """A new key. It is on disk before an event can name it."""
        self.abandon_rotation()
        return self._write(self._next_path, SigningKey.new(origin))

    def complete_rotation(self) -> None:
        """Replaces the old key by the new one."""
        self._next_path.replace(self.path)
        sync_directory(self.path.parent)

    def abandon_rotation(self) -> None:
        """Deletes the new key."""
        self._next_path.unlink(missing_ok=True)

    def _read(self, path: Path) -> SigningKey:
        try:
            mode = path.stat().st_mode & 0o777
            if mode & _GROUP_AND_OTHERS:
                raise BadKeyFile(f"a file of mode 0600 (it has {mode:04o}: others may have read the key; rotate it)")
            return SigningKey.parse(path.read_text())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BadKeyFile(f"a readable file ({error.strerror})") from None
        except (BadNote, UnicodeDecodeError):
            raise BadKeyFile(
                f"{path.name} to hold a signing key, as audit makes it where there is none; {_REMEDY}"
            ) from None

    def _write(self, path: Path, key: SigningKey) -> SigningKey:
        """Returns the key as it is read from the file."""
        try:
            make_directory(path.parent)
            write_durable(path, f"{key.text()}\n")
        except OSError as error:
            raise BadKeyFile(f"a file that can be written ({error.strerror})") from None
        return self._read(path)
