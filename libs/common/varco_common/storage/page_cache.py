"""Reads a file without waiting for the disk."""

import os

_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)  # Linux has it


def cached_bytes(file: int, size: int, at: int) -> bytes:
    """The bytes from offset `at` that are in memory, up to `size` and up to the first gap.

    Never waits. `file` is a descriptor.
    """
    if not _NOWAIT:
        return b""
    buffer = bytearray(size)
    try:
        count = os.preadv(file, [buffer], at, _NOWAIT)
    except OSError:  # nothing is in memory, or the file system can't tell
        return b""
    return bytes(memoryview(buffer)[:count])
