"""The tree against RFC 6962's test vectors and a second implementation that follows its words."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.transparency import merkle_tree

# The leaves, roots and paths that Certificate Transparency's implementations test themselves with
LEAVES = [
    bytes.fromhex(one)
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def naive(leaves: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive(leaves[:k])]


def node_of(leaves: list[bytes]) -> merkle_tree.Node:
    return lambda level, index: naive(leaves[index << level : (index + 1) << level])


def frontier_of(leaves: list[bytes]) -> merkle_tree.Frontier:
    found = merkle_tree.Frontier()
    for one in leaves:
        found.append(merkle_tree.leaf_hash(one))
    return found


def some(most: int = 70) -> st.SearchStrategy[list[bytes]]:
    return st.integers(1, most).map(lambda count: [b"leaf %d" % number for number in range(count)])


def test_the_empty_tree_has_the_hash_of_nothing():
    assert merkle_tree.Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle_tree.root(0, node_of([])) == merkle_tree.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_test_vectors(size):
    assert frontier_of(LEAVES[:size]).root().hex() == ROOTS[size - 1]
    assert merkle_tree.root(size, node_of(LEAVES)).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_inclusion_paths_are_those_of_the_test_vectors(index, size, path):
    found = merkle_tree.inclusion_path(index, size, node_of(LEAVES))
    assert [one.hex() for one in found] == path


@given(some())
def test_appending_gives_the_root_that_the_rfc_defines(leaves):
    assert frontier_of(leaves).root() == naive(leaves)
    assert merkle_tree.root(len(leaves), node_of(leaves)) == naive(leaves)


@given(some(), st.data())
def test_every_leaf_has_the_path_that_the_rfc_defines_and_it_leads_to_the_root(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle_tree.inclusion_path(index, len(leaves), node_of(leaves))
    assert path == naive_path(index, leaves)
    leaf = merkle_tree.leaf_hash(leaves[index])
    assert merkle_tree.root_of_inclusion(leaf, index, len(leaves), path) == naive(leaves)


@given(some(), st.data())
def test_a_path_proves_no_other_leaf_place_or_size(leaves, data):
    size = len(leaves)
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    path = merkle_tree.inclusion_path(index, size, node_of(leaves))
    wrong = [
        (merkle_tree.leaf_hash(b"another"), index, size, path),
        (merkle_tree.leaf_hash(leaves[index]), index, size, [*path, b"x" * 32]),
        (merkle_tree.leaf_hash(leaves[index]), index, size, path[:-1]) if path else None,
        (merkle_tree.leaf_hash(leaves[other]), index, size, path) if other != index else None,
        (merkle_tree.leaf_hash(leaves[index]), other, size, path) if other != index else None,
    ]
    for case in filter(None, wrong):
        try:
            assert merkle_tree.root_of_inclusion(*case) != naive(leaves)
        except ValueError:
            continue


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_path_for_a_leaf_that_is_not_there(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        merkle_tree.inclusion_path(index, size, node_of(LEAVES))
    with pytest.raises(ValueError, match="no leaf"):
        merkle_tree.root_of_inclusion(b"", index, size, [])


def test_peaks_are_full_subtrees_side_by_side():
    for size in range(200):
        found = [(index << level, (index + 1) << level) for level, index in merkle_tree.peaks(size)]
        assert all(end == start for (_, end), (start, _) in pairwise(found))
        assert (found[0][0], found[-1][1]) == (0, size) if found else size == 0
