"""A supervised process: started again when it dies, ended with its supervisor."""

import asyncio
import signal
import sys
from itertools import pairwise

import pytest

from varco_common.base import supervision
from varco_common.base.supervision import keep_running

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
PATIENT = "import signal; print(flush=True); signal.pause()"


class Supervised:
    """A process under supervision, and what became of those before it."""

    def __init__(self, code: str, grace_seconds: float = 10) -> None:
        self.processes: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
        self.ended: list[int | None] = []
        self._code = code
        self.task = asyncio.create_task(
            keep_running("example", self._spawn, grace_seconds=grace_seconds, on_exit=self._on_exit)
        )

    async def _spawn(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", self._code, stdout=pipe)
        assert process.stdout
        await process.stdout.readline()
        self.processes.put_nowait(process)
        return process

    def _on_exit(self, process: asyncio.subprocess.Process) -> None:
        self.ended.append(process.returncode)


async def test_a_process_that_dies_is_started_again():
    supervised = Supervised(PATIENT)
    first = await supervised.processes.get()
    first.kill()
    second = await supervised.processes.get()
    assert second.pid != first.pid
    assert supervised.ended == [-signal.SIGKILL]
    supervised.task.cancel()
    await asyncio.wait([supervised.task])


async def test_a_process_ends_with_its_supervisor():
    supervised = Supervised(PATIENT)
    process = await supervised.processes.get()
    supervised.task.cancel()
    await asyncio.wait([supervised.task])
    assert supervised.task.cancelled()
    assert process.returncode == -signal.SIGTERM
    assert supervised.ended == [-signal.SIGTERM]


async def test_a_process_that_ignores_sigterm_is_killed_even_if_the_supervisor_is_cancelled_twice():
    supervised = Supervised(STUBBORN, grace_seconds=0.2)
    process = await supervised.processes.get()
    supervised.task.cancel()
    await asyncio.sleep(0)
    supervised.task.cancel()
    await asyncio.wait([supervised.task])
    assert process.returncode == -signal.SIGKILL


async def test_the_pauses_grow_while_it_keeps_dying(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_SECONDS", 0.2)
    loop = asyncio.get_running_loop()
    supervised = Supervised("print()")
    starts = []
    for _ in range(4):
        await supervised.processes.get()
        starts.append(loop.time())
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.2), strict=True))
    supervised.task.cancel()
    await asyncio.wait([supervised.task])


async def test_a_start_that_the_system_refuses_is_tried_again():
    started = asyncio.Event()
    refusals = [BlockingIOError("fork"), OSError("no space left on device")]

    async def spawn() -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        started.set()
        return await asyncio.create_subprocess_exec(sys.executable, "-c", PATIENT, stdout=asyncio.subprocess.DEVNULL)

    task = asyncio.create_task(keep_running("example", spawn, grace_seconds=10))
    async with asyncio.timeout(60):
        await started.wait()
    task.cancel()
    await asyncio.wait([task])
