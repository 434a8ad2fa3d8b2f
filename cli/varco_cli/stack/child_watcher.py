"""How an event loop learns that a child process has ended."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def watching_without_threads() -> Iterator[None]:
    """Event loops that run inside the block need no thread for each child process.

    Such a thread could take a signal of the process. Python 3.12 has none on Linux.
    """
    if sys.version_info >= (3, 12) or sys.platform != "linux":
        yield
        return
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    try:
        yield
    finally:
        asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())  # the default
