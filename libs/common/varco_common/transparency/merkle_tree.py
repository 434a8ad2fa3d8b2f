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

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        """`roots` belong to the subtrees of `peaks(size)`, the largest first. Raises ValueError."""
        if len(roots) != size.bit_count():
            raise ValueError(f"{len(roots)} roots are not those of {size} leaves")
        self.size = size
        self._roots = [*roots]

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


def frontier(size: int, node: Node) -> Frontier:
    """The frontier after `size` leaves, to append more."""
    return Frontier(size, [node(level, index) for level, index in peaks(size)])


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


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """The proof that the tree of `new` begins with that of `old` (RFC 6962 2.1.2).

    Raises ValueError.
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new} leaves")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start, whole = middle, False
    return ([] if whole else [_range(start, end, node)]) + path[::-1]


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


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the new tree begins with the old one (RFC 9162 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = [old_root, *path] if old & (old - 1) == 0 else [*path]
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _range(start: int, end: int, node: Node) -> bytes:
    return join([node(level, index) for level, index in peaks(end, start)])


def _split(size: int) -> int:
    """RFC 6962 2.1: the largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)
