"""Checkpoints and key rotations as files, for copying to another place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from varco_common.base.durable_file import is_blank, make_directory, write_durable
from varco_common.transparency.checkpoint import Checkpoint, Rotation
from varco_common.transparency.signed_note import BadNote, PublicKey

LATEST = "latest.checkpoint"
PUBLIC = "log.pub"
_RECENT = timedelta(hours=1)


class CheckpointFiles:
    """`<day>/<size>.checkpoint`, `latest.checkpoint`, `<size>.rotation`, and the key in `log.pub`.

    A file is written whole. A dated file never changes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write_checkpoint(self, checkpoint: Checkpoint, at: datetime) -> None:
        """Checkpoints must come in order, for `latest.checkpoint`. Raises OSError."""
        path = self._directory / f"{at:%Y-%m-%d}" / f"{checkpoint.size:012d}.checkpoint"
        if not path.exists() or is_blank(path.read_bytes()):
            _write(path, checkpoint.text, at)
        _write(self._directory / LATEST, checkpoint.text, at)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint; None if there is none that can be read."""
        try:
            return Checkpoint.parse((self._directory / LATEST).read_text())
        except (OSError, UnicodeDecodeError, BadNote):
            return None

    def write_rotation(self, rotation: Rotation) -> None:
        """Raises OSError."""
        _write(self._directory / f"{rotation.size:012d}.rotation", rotation.text, datetime.now(UTC))

    def write_key(self, key: PublicKey) -> None:
        """Raises OSError."""
        _write(self._directory / PUBLIC, f"{key}\n", datetime.now(UTC))


def _write(path: Path, text: str, at: datetime) -> None:
    """Old checkpoints come again after the loss of the tree: too many to sync each of them."""
    make_directory(path.parent, 0o755)
    if datetime.now(UTC) - at < _RECENT:
        write_durable(path, text, 0o644)
        return
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text)
    unfinished.replace(path)
