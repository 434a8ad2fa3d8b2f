"""Rewrites the files of nats-server, as an attacker could who can write to its disk.

A block is a row of records (little endian): length, sequence, time, length of the subject, subject,
[length of the headers, headers,] payload, and a HighwayHash-64 under a key that is no secret.
"""

import struct
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<IQqH")
_HEADED = 1 << 31
_MASK = (1 << 64) - 1
_INIT0 = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
_INIT1 = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)


class Stored(NamedTuple):
    """A record in a block."""

    sequence: int
    at: int
    subject: str
    headers: bytes
    payload: bytes


def rewrite(store: Path, stream: str, change: Callable[[list[Stored]], Iterable[Stored]]) -> None:
    """Changes what a stopped server has of a stream, which must be one block yet."""
    directory = next(path for path in store.rglob(stream) if (path / "msgs").is_dir()) / "msgs"
    (block,) = directory.glob("*.blk")
    key = sha256(f"{stream}-{block.stem}".encode()).digest()
    data = block.read_bytes()
    records = list(_read(data))
    assert b"".join(_written(one, key) for one in records) == data, "this isn't how the server writes a block"
    block.write_bytes(b"".join(_written(one, key) for one in change(records)))
    for index in (*directory.glob("index.db"), *directory.glob("*.scb"), *directory.glob("*.idx")):
        index.unlink()  # the server makes it anew from the block


def _read(data: bytes) -> Iterable[Stored]:
    at = 0
    while at < len(data):
        length, sequence, time, size = _HEAD.unpack_from(data, at)
        headed, length = bool(length & _HEADED), length & ~_HEADED
        start, end = at + _HEAD.size, at + length - 8
        subject, start = data[start : start + size].decode(), start + size
        headers = b""
        if headed:
            (size,) = struct.unpack_from("<I", data, start)
            headers, start = data[start + 4 : start + 4 + size], start + 4 + size
        yield Stored(sequence, time, subject, headers, data[start:end])
        at += length


def _written(one: Stored, key: bytes) -> bytes:
    subject = one.subject.encode()
    inner = subject + (struct.pack("<I", len(one.headers)) + one.headers if one.headers else b"") + one.payload
    length = _HEAD.size + len(inner) + 8
    head = _HEAD.pack(length | (_HEADED if one.headers else 0), one.sequence, one.at, len(subject))
    return head + inner + struct.pack("<Q", highway_hash(key, head[4:20] + subject + one.headers + one.payload))


def highway_hash(key: bytes, data: bytes) -> int:
    """HighwayHash-64 of Google's paper (arXiv:1612.06257), slow and small."""
    words = struct.unpack("<4Q", key)
    state = [
        [_INIT0[n] ^ words[n] for n in range(4)],
        [_INIT1[n] ^ _swapped(words[n]) for n in range(4)],
        [*_INIT0],
        [*_INIT1],
    ]
    whole = len(data) & ~31
    for at in range(0, whole, 32):
        _update(state, struct.unpack_from("<4Q", data, at))
    if rest := data[whole:]:
        _update_rest(state, rest)
    for _ in range(4):
        v0 = state[0]
        _update(state, tuple(_swapped(v0[n]) for n in (2, 3, 0, 1)))
    return sum(part[0] for part in state) & _MASK


def _update(state: list[list[int]], words: tuple[int, ...]) -> None:
    v0, v1, mul0, mul1 = state
    for n in range(4):
        v1[n] = (v1[n] + mul0[n] + words[n]) & _MASK
        mul0[n] ^= ((v1[n] & 0xFFFFFFFF) * (v0[n] >> 32)) & _MASK
        v0[n] = (v0[n] + mul1[n]) & _MASK
        mul1[n] ^= ((v0[n] & 0xFFFFFFFF) * (v1[n] >> 32)) & _MASK
    for to, source in ((v0, v1), (v1, v0)):
        for n in (0, 2):
            zipped = _zipper(source[n + 1], source[n])
            to[n], to[n + 1] = (to[n] + zipped[0]) & _MASK, (to[n + 1] + zipped[1]) & _MASK


def _zipper(high: int, low: int) -> tuple[int, int]:
    add0 = (
        (((low & 0xFF000000) | (high & 0xFF00000000)) >> 24)
        | (((low & 0xFF0000000000) | (high & 0xFF000000000000)) >> 16)
        | (low & 0xFF0000)
        | ((low & 0xFF00) << 32)
        | ((high & 0xFF00000000000000) >> 8)
        | (low << 56)
    )
    add1 = (
        (((high & 0xFF000000) | (low & 0xFF00000000)) >> 24)
        | (high & 0xFF0000)
        | ((high & 0xFF0000000000) >> 16)
        | ((high & 0xFF00) << 24)
        | ((low & 0xFF000000000000) >> 8)
        | ((high & 0xFF) << 48)
        | (low & 0xFF00000000000000)
    )
    return add0 & _MASK, add1 & _MASK


def _update_rest(state: list[list[int]], rest: bytes) -> None:
    size = len(rest)
    for n in range(4):
        state[0][n] = (state[0][n] + (size << 32) + size) & _MASK
        low, high = state[1][n] & 0xFFFFFFFF, state[1][n] >> 32
        state[1][n] = _turned(low, size) | _turned(high, size) << 32
    packet = bytearray(32)
    tail = rest[size & ~3 :]
    packet[: size & ~3] = rest[: size & ~3]
    if size & 16:
        packet[28:32] = rest[-4:]
    elif tail:
        packet[16] = tail[0]
        packet[17] = tail[len(tail) >> 1]
        packet[18] = tail[-1]
    _update(state, struct.unpack("<4Q", packet))


def _turned(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & 0xFFFFFFFF


def _swapped(word: int) -> int:
    return (word >> 32) | (word << 32) & _MASK
