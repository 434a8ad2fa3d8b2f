"""Checkpoints and rotations as files, to be sent elsewhere: each once, whole, never changed."""

from datetime import datetime
from pathlib import Path

from varco_common.transparency.checkpoint import Checkpoint, Rotation
from varco_common.transparency.signed_note import BadNote, PublicKey

LATEST = "latest.checkpoint"
PUBLIC = "log.pub"


class CheckpointFiles:
    """A directory: `<day>/<size>.checkpoint`, `latest.checkpoint`, `<size>.rotation` and `log.pub`, the public key."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, checkpoint: Checkpoint, at: datetime) -> None:
        """Raises OSError. `latest.checkpoint` is for the newest: give them in order."""
        name = f"{checkpoint.size:012d}.checkpoint"
        if not (path := self._directory / f"{at:%Y-%m-%d}" / name).exists():
            _write(path, checkpoint.text)
        _write(self._directory / LATEST, checkpoint.text)

    def latest(self) -> Checkpoint | None:
        """The newest that was put here; None where there is none that can be read."""
        try:
            return Checkpoint.parse((self._directory / LATEST).read_text())
        except (OSError, UnicodeDecodeError, BadNote):
            return None

    def put_rotation(self, rotation: Rotation) -> None:
        _write(self._directory / f"{rotation.size:012d}.rotation", rotation.text)

    def put_key(self, key: PublicKey) -> None:
        _write(self._directory / PUBLIC, f"{key}\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text)
    unfinished.replace(path)
