"""What mail leaves free on a disk, so that the bus can still store the events of its delivery."""

import shutil
from pathlib import Path

from varco_common.base.errors import StoreFull

MAX_RESERVED = 1 << 30


def reserve(total: int) -> int:
    """Returns how many bytes of a disk of `total` bytes mail must leave free."""
    return min(total // 5, MAX_RESERVED)


def check_room(directory: Path, size: int) -> None:
    """Raises StoreFull if `size` more bytes would leave less than that. Raises OSError."""
    disk = shutil.disk_usage(directory)
    if disk.free - size < reserve(disk.total):
        raise StoreFull(f"{directory}: its disk has {disk.free} bytes left, and keeps a reserve")
