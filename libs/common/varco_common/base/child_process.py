"""A process that a service starts for long work, with low priority.

It reads its task from standard input, and ends when that is closed.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec

from varco_common.base import log

S = TypeVar("S")

NICENESS = 10

_log = log.get(__name__)


@asynccontextmanager
async def running(
    module: str, argument: str, start: msgspec.Struct, *, piped: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs `python -m module argument` inside the block, and kills it at the end.

    `piped`: its standard output is a pipe. Its standard input stays open, and is closed when this
    process dies, however that happens; then the child ends.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, argument, stdin=pipe, stdout=pipe if piped else None
    )
    assert process.stdin
    try:
        process.stdin.write(msgspec.json.encode(start) + b"\n")
        with suppress(ConnectionError):
            await process.stdin.drain()
        yield process
        if code := await process.wait():
            _log.error("a process failed", module=module, argument=argument, exit_code=code)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process.stdin.close()


def begin(start: type[S]) -> S:
    """For the child: reads its task. From then on it ends when its standard input is closed."""
    os.nice(NICENESS)
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        first = stdin.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return msgspec.json.decode(first, type=start)


def _end_with_parent() -> None:
    """Reads without Python's own buffer.

    A daemon thread that holds the buffer's lock would make the interpreter abort at its end.
    """
    while os.read(0, 4096):
        pass
    os._exit(0)
