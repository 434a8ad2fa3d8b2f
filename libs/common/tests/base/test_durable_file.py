"""Files that a start needs are whole or not there, of one mode, and never half under their name."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from varco_common.base.durable_file import create_durable, durable_writer, is_blank, make_directory, write_durable


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    write_durable(tmp_path / "key", "old\n")
    write_durable(tmp_path / "key", b"new\n")
    assert (tmp_path / "key").read_bytes() == b"new\n"
    assert names(tmp_path) == ["key"]


def test_a_file_is_secret_unless_a_mode_is_given_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_durable(tmp_path / "secret", "x")
        os.umask(0o077)
        write_durable(tmp_path / "public", "x", 0o644)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("secret", "public")] == [0o600, 0o644]


def test_the_content_is_on_disk_before_its_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    steps = []
    synced = os.fsync

    def sync(descriptor):
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content"
        steps.append((kind, names(tmp_path) == ["key"]))
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    write_durable(tmp_path / "key", "x")
    assert steps == [("content", False), ("directory", True)]


def test_an_error_while_it_is_written_leaves_the_old_file(tmp_path):
    write_durable(tmp_path / "key", "old")
    with pytest.raises(TypeError), durable_writer(tmp_path / "key") as file:
        file.writelines([b"half", None])
    assert ((tmp_path / "key").read_text(), names(tmp_path)) == ("old", ["key"])


def test_of_several_who_make_a_file_at_once_one_wins_and_all_read_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: create_durable(tmp_path / "key", str(number)), range(8)))
    assert made.count(True) == 1
    assert (tmp_path / "key").read_text() == str(made.index(True))
    assert names(tmp_path) == ["key"]


def test_a_directory_is_made_with_its_parents_once(tmp_path):
    for _ in range(2):
        make_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


@pytest.mark.parametrize(("content", "blank"), [(b"", True), (b"\n", True), (b"\0" * 65, True), (b"x", False)])
def test_a_file_of_nothing_or_zeros_is_blank(content, blank):
    assert is_blank(content) is blank
