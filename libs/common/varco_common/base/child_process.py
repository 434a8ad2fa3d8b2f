"""A process that a service starts for long work: niced, told what to do on standard input, and ended when that ends."""

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
    module: str, argument: str, start: msgspec.Struct, *, heard: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module argument` inside the block, killed at its end. `heard`: its standard output is a pipe.

    Its standard input stays open for as long as it may live: it ends when that ends, however this process dies.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, argument, stdin=pipe, stdout=pipe if heard else None
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
    """In the child: what it is told. From then on it ends with its standard input."""
    os.nice(NICENESS)
    with open(0, "rb", buffering=0, closefd=False) as told:
        first = told.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return msgspec.json.decode(first, type=start)


def _end_with_parent() -> None:
    """Reads past Python's own buffer: its lock, held by a daemon thread, makes an interpreter that ends abort."""
    while os.read(0, 4096):
        pass
    os._exit(0)
