"""The signing key is on disk before it is used; checkpoint files are whole and in order."""

import os
import stat
from datetime import UTC, datetime

import pytest

from varco_audit.transparency.checkpoint_files import CheckpointFiles
from varco_audit.transparency.signing_key_file import BadKeyFile, SigningKeyFile
from varco_common.transparency import checkpoint
from varco_common.transparency.signed_note import SigningKey

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
KEY = SigningKey.new("varco-test")


def signed(size: int) -> checkpoint.Checkpoint:
    return checkpoint.signed(KEY, size, b"r" * 32)


def test_a_key_is_made_once_with_mode_0600_under_the_name_of_the_log(tmp_path):
    file = SigningKeyFile(tmp_path / "secrets" / "key")
    key = file.key("varco-log")
    assert (key.public.name, file.key("varco-other").text()) == ("varco-log", key.text())
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_rotation_replaces_the_key_when_it_is_completed_and_not_before(tmp_path):
    file = SigningKeyFile(tmp_path / "key")
    old, new = file.key("varco-log"), file.begin_rotation("varco-log")
    assert (file.key("").text(), file.next_key().text()) == (old.text(), new.text())
    file.complete_rotation()
    assert (file.key("").text(), file.next_key()) == (new.text(), None)


def test_a_rotation_that_is_abandoned_leaves_the_key(tmp_path):
    file = SigningKeyFile(tmp_path / "key")
    old = file.key("varco-log")
    file.begin_rotation("varco-log")
    file.abandon_rotation()
    assert (file.key("").text(), file.next_key()) == (old.text(), None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_can_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadKeyFile, match="can be written"):
        SigningKeyFile(tmp_path / "key").key("")


def test_a_directory_in_the_place_of_the_key_is_refused(tmp_path):
    (tmp_path / "key").mkdir(mode=0o700)
    with pytest.raises(BadKeyFile, match="a readable file"):
        SigningKeyFile(tmp_path / "key").key("")


@pytest.mark.parametrize("kept", [0, 20])
def test_a_damaged_key_is_not_replaced_but_named_with_what_to_do(tmp_path, kept):
    file = SigningKeyFile(tmp_path / "audit-signing.key")
    cut = file.key("varco-log").text()[:kept]
    file.path.write_text(cut)
    with pytest.raises(BadKeyFile, match=r"audit-signing\.key .* restore it from a backup, or delete it"):
        file.key("varco-log")
    assert file.path.read_text() == cut


def test_a_dated_checkpoint_that_is_empty_is_written_again(tmp_path):
    files = CheckpointFiles(tmp_path)
    files.write_checkpoint(signed(7), AT)
    dated = tmp_path / "2026-11-02" / "000000000007.checkpoint"
    dated.write_text("")
    files.write_checkpoint(signed(7), AT)
    assert dated.read_text() == signed(7).text


def test_the_latest_checkpoint_is_the_last_one_written(tmp_path):
    files = CheckpointFiles(tmp_path)
    assert files.latest() is None
    for size in (5, 9):
        files.write_checkpoint(signed(size), AT)
    assert files.latest() == signed(9)
    assert sorted(path.name for path in (tmp_path / "2026-11-02").iterdir()) == [
        "000000000005.checkpoint",
        "000000000009.checkpoint",
    ]


def test_a_dated_checkpoint_is_never_changed(tmp_path):
    files = CheckpointFiles(tmp_path)
    files.write_checkpoint(signed(5), AT)
    other = checkpoint.signed(KEY, 5, b"s" * 32)
    files.write_checkpoint(other, AT)
    assert (tmp_path / "2026-11-02" / "000000000005.checkpoint").read_text() == signed(5).text


def test_a_damaged_latest_checkpoint_counts_as_none(tmp_path):
    (tmp_path / "latest.checkpoint").write_bytes(b"\xff\x00")
    assert CheckpointFiles(tmp_path).latest() is None
