"""A gate on a disk of its own, whose power can be cut."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, alive, wait_for
from tests.power.disk import Disk, NoDisk, disk, obstacle


class Machine:
    """`gate` runs on `disk`. After a cut everything but the disk's content is gone."""

    def __init__(self, disk: Disk) -> None:
        self.disk, self.gate = disk, Gate(disk.path)

    def cut_power(self) -> None:
        """Shuts the file system down first, so that no process syncs anything on its way out."""
        pids = self.pids()
        self.disk.cut()
        self._kill(pids)
        self._kill(self.pids())  # what was started meanwhile
        self.disk.unmount()

    def power_on(self) -> None:
        """The disk is back. The gate must be started."""
        self.disk.mount()

    def pids(self) -> list[int]:
        """The supervisor first: it would start the others again."""
        mark = f"VARCO_HOME={self.disk.path}".encode()
        first = self.gate.supervisor.pid if self.gate.supervisor else 0
        others = [int(path.name) for path in Path("/proc").glob("[0-9]*") if mark in _environment(path).split(b"\0")]
        return sorted({*others, first} - {0}, key=lambda pid: pid != first)

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.gate.supervisor:
            self.gate.supervisor.wait(20)
            self.gate.supervisor = None
        wait_for(lambda: not any(alive(pid) for pid in pids), 20)

    def end(self) -> None:
        self._kill(self.pids())


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := obstacle():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        try:
            machine = Machine(stack.enter_context(disk(tmp_path)))
        except NoDisk as error:
            pytest.skip(str(error))
        stack.callback(machine.end)
        yield machine


@pytest.fixture
def hop() -> Iterator[Hop]:
    hop = Hop()
    yield hop
    hop.close()
