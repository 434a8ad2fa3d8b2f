"""Freed memory stays with the process for the next large body."""

import ctypes

# mallopt(3). By default memory goes back to the kernel after each body. The next one then costs a
# page fault for every 4 KiB, which is more than copying them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 4 * 1024 * 1024  # bytes; what is larger still goes back at once
_KEPT = 16 * 1024 * 1024


def keep_freed_memory() -> None:
    """For a process through which large bodies pass. Only glibc knows how; else nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)
