"""A backup is whole or is refused, as a directory and as one file."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from varco_cli.backup import files
from varco_cli.backup.files import BackupReader, BackupWriter, BrokenBackup
from varco_cli.backup.manifest import FORMAT, BackupManifest, ManifestEntry

from .conftest import Varco

CONTENT = bytes(range(256)) * 100


@pytest.fixture(params=["backup", "backup.tar"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "PART_BYTES", 10_000)
    return tmp_path / str(request.param)


async def pieces(content: bytes = CONTENT, size: int = 999) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def manifest(tail: ManifestEntry, **changed: int) -> BackupManifest:
    values = {"format": FORMAT, "varco": "0", "made_at": datetime.now(UTC), "tail": tail} | changed
    return BackupManifest(**values, streams=[], objects=[], databases=[], secrets=[], missing=[])  # type: ignore[arg-type]


def made(place: Path) -> ManifestEntry:
    with BackupWriter.open(place) as writer:
        entry = asyncio.run(writer.write("MAIL.tail", pieces()))
        writer.seal(manifest(entry))
    return entry


def spoil(place: Path, at: int) -> None:
    """Flips one bit of the content."""
    file = place if place.is_file() else place / "MAIL.tail.00001"
    content = bytearray(file.read_bytes())
    content[content.index(bytes(range(200, 256)) + b"\0") + at] ^= 1
    file.write_bytes(content)


def test_what_was_written_is_read_again_in_parts(place: Path) -> None:
    entry = made(place)
    assert (entry.size, entry.parts) == (len(CONTENT), 3)
    with BackupReader.open(place) as reader:
        assert b"".join(reader.pieces(reader.manifest.tail)) == CONTENT
        assert [*reader.check()] == [entry]


def test_nobody_else_can_read_it(place: Path) -> None:
    made(place)
    assert not [path for path in (place, *place.rglob("*")) if path.stat().st_mode & 0o077]


def test_a_backup_that_exists_is_never_written_over(place: Path) -> None:
    made(place)
    with pytest.raises(FileExistsError), BackupWriter.open(place):
        pass


def test_one_changed_bit_is_found(place: Path) -> None:
    made(place)
    spoil(place, 7)
    with BackupReader.open(place) as reader, pytest.raises(BrokenBackup, match=r"MAIL\.tail isn't what was written"):
        [*reader.check()]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    place = tmp_path / "backup"
    made(place)
    (place / "MAIL.tail.00000").unlink()
    with BackupReader.open(place) as reader, pytest.raises(BrokenBackup, match=r"MAIL\.tail\.00000 can't be read"):
        [*reader.check()]


def test_a_backup_that_was_never_finished_is_none(place: Path, varco: Varco) -> None:
    with BackupWriter.open(place) as writer:
        asyncio.run(writer.write("MAIL.tail", pieces()))
    ended = varco("restore", "--check", str(place))
    assert (ended.code, ended.error) == (
        1,
        "broken backup: no manifest: the backup was never finished, or this is none",
    )


def test_a_backup_that_is_not_there_is_named(tmp_path: Path, varco: Varco) -> None:
    ended = varco("restore", "--check", str(tmp_path / "nope.tar"))
    assert (ended.code, ended.error) == (2, f"{tmp_path / 'nope.tar'}: no such file or folder")


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, varco: Varco) -> None:
    place = tmp_path / "backup.tar"
    made(place)
    place.write_bytes(place.read_bytes()[:20_000])
    ended = varco("restore", "--check", str(place))
    assert ended.code == 1
    assert "broken backup" in ended.error


def test_another_format_is_refused(place: Path, varco: Varco) -> None:
    with BackupWriter.open(place) as writer:
        writer.seal(manifest(asyncio.run(writer.write("MAIL.tail", pieces())), format=FORMAT + 1))
    assert "this version of Varco reads format 1" in varco("restore", "--check", str(place)).error


def test_a_whole_backup_passes_the_check(place: Path, varco: Varco) -> None:
    made(place)
    assert varco("restore", "--check", str(place)).code == 0


def test_a_home_that_has_something_is_never_restored_into(place: Path, varco: Varco, clean: pytest.MonkeyPatch) -> None:
    made(place)
    home = place.parent / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "policy.sqlite").touch()
    clean.setenv("VARCO_HOME", str(home))
    ended = varco("restore", str(place))
    assert ended.code == 4
    assert "has databases already (policy.sqlite)" in ended.error


def test_a_home_that_is_not_there_has_no_backup(varco: Varco, tmp_path: Path, clean: pytest.MonkeyPatch) -> None:
    clean.setenv("VARCO_HOME", str(tmp_path / "none"))
    assert varco("backup", str(tmp_path / "new")).code == 2
    assert not (tmp_path / "new").exists()
