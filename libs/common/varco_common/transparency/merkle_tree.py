"""RFC 6962's Merkle tree: hashes, roots and proofs. Hashes are 32 bytes, sizes count leaves.

Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32

# (level, index) -> the root of the full subtree of the 2**level leaves from index << level on.
Node = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 2.1: MTH({d}) = SHA-256(0x00 || d)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = sha256(b"").digest()  # RFC 6962 2.1: MTH({})


class Frontier:
    """The roots of the full subtrees of all leaves so far, at most 64: enough to append more."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Appends the next leaf's hash. Takes two node hashes on average."""
        size, roots = self.size, self._roots
        while size & 1:
            leaf = sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree of all leaves so far."""
        return join(self._roots)


def join(roots: Sequence[bytes]) -> bytes:
    """The root above these subtree roots, the leftmost and largest first."""
    if not roots:
        return EMPTY_ROOT
    joined = roots[-1]
    for left in reversed(roots[:-1]):
        joined = node_hash(left, joined)
    return joined


def peaks(size: int, start: int = 0) -> Iterable[tuple[int, int]]:
    """Level and index of the full subtrees of leaves `start` .. `size`, the leftmost first.

    A subtree that is at least as large as the rest must begin at `start`: 0, or RFC 6962's k.
    """
    while start < size:
        level = (size - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def root(size: int, node: Node) -> bytes:
    """The root of the first `size` leaves."""
    return _range(0, size, node)


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` (from 0) in a tree of `size` (RFC 6962 2.1.1).

    Raises ValueError.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start = middle
    return path[::-1]


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that this path leads to (RFC 9162 2.1.3.2).

    Raises ValueError on an impossible path.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return node


def _range(start: int, end: int, node: Node) -> bytes:
    return join([node(level, index) for level, index in peaks(end, start)])


def _split(size: int) -> int:
    """RFC 6962 2.1: the largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)
