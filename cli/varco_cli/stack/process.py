"""One process of the stack: starts it, restarts it when it dies, and ends it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from varco_cli.stack import die_with_parent
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.errors import EXIT_BROKEN_SETTING
from varco_common.base.forked_process import ForkedProcess
from varco_common.base.supervision import Process, keep_running

POLL_SECONDS = 0.05

_log = log.get(__name__)


class FailedStart(Exception):
    """A process can't be started. The text says why in one line."""


class BrokenStart(FailedStart):
    """A setting or a file is broken, so every start fails until somebody repairs it."""


async def _at_once() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to run.

    `ready` says whether the program is ready. It has `grace_seconds` to end after SIGTERM.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] = _at_once
    grace_seconds: float = 10.0


class ManagedProcess:
    """Keeps a program running from `start` to `stop`.

    Its output goes to its log file. `running` is the pid of a child of this process that runs the
    program already; 0 for none.
    """

    def __init__(self, program: Program, home: StateDirectory, running: int = 0) -> None:
        self.program = program
        self._running = running
        self._ran = bool(running)  # then a start that fails is tried again
        self.exit_code: int | None = None
        self._home = home
        self._child: Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._spawned = asyncio.Event()

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        """Returns the process id; 0 while the program doesn't run."""
        return self._child.pid if self._child and self._child.returncode is None else 0

    @property
    def settled(self) -> bool:
        """Says whether the program runs, and nothing of its start is under way."""
        return bool(self.pid)

    async def start(self) -> None:
        """Starts the program, and returns when its process exists. Raises FailedStart."""
        spawned = asyncio.create_task(self._spawned.wait())
        supervision = self.keep_running()
        await asyncio.wait([spawned, supervision], return_when=asyncio.FIRST_COMPLETED)
        if supervision.done():
            spawned.cancel()
            supervision.result()  # raises the error that prevented the start

    def keep_running(self) -> asyncio.Task[None]:
        """Starts the program, or takes over its process, in the task that it returns."""
        supervised = keep_running(
            self.name, self._spawn, grace_seconds=self.program.grace_seconds, on_exit=self._on_exit
        )
        self._supervision = asyncio.create_task(supervised, name=f"keep {self.name}")
        return self._supervision

    async def wait_ready(self, seconds: float) -> None:
        """Waits until the program is ready.

        Raises FailedStart where it isn't ready in time or ends because of a broken setting.
        """
        deadline = time.monotonic() + seconds
        while not (self.pid and await self.program.ready()):
            if self.exit_code == EXIT_BROKEN_SETTING:
                raise BrokenStart(f"{self.name}: {self._last_line(but_log=True)}")
            if time.monotonic() > deadline:
                log_file = self._home.log_file(self.name)
                raise FailedStart(f"{self.name} isn't ready after {seconds:g} s: see {log_file}: {self._last_line()}")
            await asyncio.sleep(POLL_SECONDS)

    async def wait_restarted(self, before: int) -> None:
        """Waits until the program runs as another process than `before`."""
        while self.pid in (0, before):
            await self._spawned.wait()

    async def stop(self) -> None:
        """Sends SIGTERM, after the grace SIGKILL, and returns when the process is gone."""
        if self._supervision:
            self._supervision.cancel()
            await asyncio.wait([self._supervision])
        self._forget_pid()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal, and returns the id of the process that got it; 0 while none runs.

        Unlike after `stop`, the program is started again.
        """
        pid = self.pid
        if pid:  # to kill(2), 0 means the group of the caller
            os.kill(pid, number)
        return pid

    def _on_exit(self, child: Process) -> None:
        self.exit_code = child.returncode
        _end_group(child.pid)
        _reap_group(child.pid)

    async def _spawn(self) -> Process:
        try:
            child = self._child = self._take_over() or await self._started()
        except OSError as error:
            if self._ran:
                raise
            raise FailedStart(f"{self.name} can't be started: {error}") from error
        self._ran = True
        self._spawned.set()
        self._spawned = asyncio.Event()
        return child

    def _take_over(self) -> Process | None:
        """Returns the child that runs the program already, once."""
        child = None
        with contextlib.suppress(ProcessLookupError):  # it has ended
            child = ForkedProcess(self._running) if self._running else None
        self._running = 0
        return child

    async def _started(self) -> Process:
        with self._home.log_file(self.name).open("ab") as output:
            child = self._child = await self._launch(output)
        self._on_spawn(child)
        _log.info("started", process=self.name, pid=child.pid)
        return child

    def _on_spawn(self, child: Process) -> None:
        """Writes the pid file. Without one, only commands such as `varco restart` miss it."""
        try:
            self._home.note_pid(self.name, child.pid)
        except OSError as error:
            _log.warning("its pid file can't be written", process=self.name, pid=child.pid, error=str(error))
            self._forget_pid()  # that of the process before would name a stranger

    def _forget_pid(self) -> None:
        with contextlib.suppress(OSError):  # a disk that can't be written stops nothing
            self._home.pid_file(self.name).unlink(missing_ok=True)

    async def _launch(self, output: IO[bytes]) -> Process:
        return await self._execute(output, asyncio.subprocess.DEVNULL)

    async def _execute(self, output: IO[bytes], stdin: int) -> Process:
        launcher = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())]
        return await asyncio.create_subprocess_exec(
            *launcher,
            *self.program.command,
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=self.environment,
            start_new_session=True,  # Ctrl-C reaches only the supervisor, which ends the others in order
        )

    @property
    def environment(self) -> dict[str, str]:
        """Returns the whole environment of the program."""
        return {**os.environ, **self.program.environment}

    def _last_line(self, *, but_log: bool = False) -> str:
        """`but_log`: words about a setting are no line of the log, and the next start may log."""
        lines = self._home.log_file(self.name).read_text(errors="replace").strip().splitlines()
        said = [line for line in lines if not line.startswith("{")] if but_log else lines
        return [*lines, *said][-1] if lines else ""


def _end_group(leader: int) -> None:
    """Kills the children that an ended process has left. Each process leads its own group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _reap_group(leader: int) -> None:
    """Removes the children that an ended process has left, and that this process has adopted."""
    with contextlib.suppress(ChildProcessError):  # there are none, or no more
        while os.waitpid(-leader, os.WNOHANG)[0]:
            pass
        asyncio.get_running_loop().call_later(POLL_SECONDS, _reap_group, leader)


def end_stale(home: StateDirectory) -> list[str]:
    """Kills processes of this home that outlived a supervisor, and returns their names.

    Removes their pid files.
    """
    ended = []
    for file in sorted((home.path / "pids").glob("*.pid")):
        pid = 0
        with contextlib.suppress(ValueError):  # a power cut may have left no number
            pid = int(file.read_text(errors="replace"))
        if pid and pid != os.getpid() and _belongs(pid, home.path):
            _end_group(pid)
            ended.append(file.stem)
        file.unlink(missing_ok=True)
    return ended


def _belongs(pid: int, home: Path) -> bool:
    """Says whether the process belongs to this home; the id may have been reused since."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"VARCO_HOME={home}".encode() in environment
