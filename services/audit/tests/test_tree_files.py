"""The tree on disk is the tree, whatever was lost of its files."""

import itertools

import pytest

from varco_audit.transparency.tree_files import TreeFiles, TreeFilesInUse
from varco_common.transparency import merkle_tree
from varco_common.transparency.merkle_tree import Frontier


def leaves(count: int) -> list[bytes]:
    return [merkle_tree.leaf_hash(b"%d" % n) for n in range(count)]


def root(hashes: list[bytes]) -> bytes:
    frontier = Frontier()
    for one in hashes:
        frontier.append(one)
    return frontier.root()


@pytest.fixture
def levels(tmp_path):
    opened = TreeFiles.open(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 700, 65_536, 70_001])
def test_its_root_is_that_of_the_leaves(levels, count):
    hashes = leaves(count)
    for at in itertools.accumulate([1, 7, 300, 70_000], initial=0):
        levels.append(hashes[at : at + {0: 1, 1: 7, 8: 300}.get(at, 70_000)])
    assert levels.size == count
    assert merkle_tree.root(count, levels.node) == root(hashes)
    assert [*levels.leaves()] == hashes


def test_every_node_is_the_root_of_its_leaves(levels):
    hashes = leaves(1_024)
    levels.append(hashes)
    for level in range(11):
        for index in range(1_024 >> level):
            assert levels.node(level, index) == root(hashes[index << level : (index + 1) << level])


def test_files_that_are_lost_or_cut_off_are_made_anew_from_the_leaves(tmp_path):
    hashes = leaves(70_001)
    written = TreeFiles.open(tmp_path)
    written.append(hashes)
    written.close()
    (tmp_path / "hashes.8").unlink()
    (tmp_path / "hashes.16").write_bytes(b"half")
    opened = TreeFiles.open(tmp_path)
    try:
        assert merkle_tree.root(70_001, opened.node) == root(hashes)
    finally:
        opened.close()


def test_a_half_written_leaf_is_forgotten(tmp_path):
    written = TreeFiles.open(tmp_path)
    written.append(leaves(300))
    written.close()
    with (tmp_path / "hashes").open("ab") as file:
        file.write(b"half")
    opened = TreeFiles.open(tmp_path)
    try:
        opened.append(leaves(301)[300:])
        assert merkle_tree.root(301, opened.node) == root(leaves(301))
    finally:
        opened.close()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 65_536, 65_537])
def test_cut_to_a_size_it_goes_on_from_there(levels, size):
    levels.append(leaves(70_001))
    levels.truncate(size)
    assert merkle_tree.root(size, levels.node) == root(leaves(size))
    levels.append(leaves(66_000)[size:])
    assert merkle_tree.root(66_000, levels.node) == root(leaves(66_000))


def test_two_can_not_write_one_tree(levels, tmp_path):
    with pytest.raises(TreeFilesInUse):
        TreeFiles.open(tmp_path)


def test_what_was_not_appended_is_no_node(levels):
    levels.append(leaves(300))
    with pytest.raises(ValueError, match="has no"):
        levels.node(8, 1)
