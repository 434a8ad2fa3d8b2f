"""Keeps a child process running: starts it again when it ends, and ends it with its supervisor."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Never, Protocol

from varco_common.base import log
from varco_common.base.tasks import uncancellable

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
STABLE_AFTER_SECONDS = 30.0  # a process that ran this long starts again after the first pause

_log = log.get(__name__)


class Process(Protocol):
    """A child process, however it was started."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


async def keep_running(
    name: str,
    spawn: Callable[[], Awaitable[Process]],
    *,
    grace_seconds: float,
    on_exit: Callable[[Process], None] = lambda _: None,
) -> Never:
    """Starts the process, and again whenever it ends. The pauses double from 0.1 to 10 s.

    A start that fails with OSError, as on a full disk or without memory, is tried again likewise.
    `on_exit` gets each process that has ended. When this coroutine is cancelled it sends SIGTERM,
    after `grace_seconds` SIGKILL, and returns when the process is gone.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        try:
            process = await spawn()
        except OSError as error:
            _log.error("can't be started: trying again", process=name, error=repr(error), pause_seconds=pause)
        else:
            code = await _run_to_its_end(name, process, grace_seconds, on_exit)
            if time.monotonic() - started > STABLE_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            write, what = (_log.error, "died") if code else (_log.info, "ended")
            write(f"{what}: starting it again", process=name, exit_code=code, pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _run_to_its_end(name: str, process: Process, grace_seconds: float, on_exit: Callable[[Process], None]) -> int:
    try:
        return await process.wait()
    finally:
        await uncancellable(end_process(name, process, grace_seconds))
        on_exit(process)


async def end_process(name: str, process: Process, grace_seconds: float) -> None:
    """SIGTERM, and after `grace_seconds` SIGKILL. Returns when the process is gone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace_seconds)
    except TimeoutError:
        _log.warning("didn't end in time: killed", process=name)
        process.kill()
        await process.wait()
