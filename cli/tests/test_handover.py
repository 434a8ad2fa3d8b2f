"""`varco up` becomes a small program that goes on with the same processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from varco_cli.stack import Ports
from varco_cli.stack.forking import FORK_SERVER
from varco_common.testing.processes import alive

SECONDS = 120.0
REFUSED = """
import os
from varco_cli.main import main

def refuse(*_):
    raise PermissionError(1, "Operation not permitted")

os.{} = refuse
main()
"""


class Gate:
    """A stack that `varco up` has started."""

    def __init__(self, home: Path, *arguments: str, program: Sequence[str] = ("-m", "varco_cli.main")) -> None:
        ports = Ports.free()
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
        self.environment = {**inherited, **ports.environment, "VARCO_API_PORT": str(ports.api), "VARCO_HOME": str(home)}
        self.said = home.parent / "up.log"
        with self.said.open("wb") as log:
            command = [sys.executable, *program, "up", *arguments]
            self.up = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def wait_small(self) -> None:
        """Waits until it has become the small program."""
        self.wait(lambda: b"varco_cli.supervisor" in Path(f"/proc/{self.up.pid}/cmdline").read_bytes())

    def wait(self, fact: Callable[[], bool]) -> None:
        """Waits for a fact while it runs."""

        def still() -> bool:
            assert self.up.poll() is None, self.said.read_text()
            return fact()

        eventually(still)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal, and returns the exit code. Nothing is left then."""
        before = self.pids()
        self.up.send_signal(number)
        code = self.up.wait(SECONDS)
        eventually(lambda: not [name for name, pid in before.items() if alive(pid)])
        return code

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "varco_cli.main", *arguments]

    def varco(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, check=False, timeout=SECONDS
        )

    def pids(self) -> dict[str, int]:
        return {file.stem: int(file.read_text()) for file in (self.home / "pids").glob("*.pid")}

    def log(self) -> str:
        return (self.home / "logs" / "varco.log").read_text()


def eventually(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def threads(pid: int) -> dict[str, bool]:
    """Says of each thread of a process whether it blocks SIGTERM."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        blocked = int((thread / "status").read_text().split("SigBlk:")[1].split()[0], 16)
        found[thread.name] = bool(blocked & (1 << (signal.SIGTERM - 1)))
    return found


@pytest.fixture(scope="module", params=["groups", "one"])
def gate(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate") / "var", "--processes", request.param)
    gate.wait_small()
    yield gate
    assert gate.end() == 0
    assert not gate.pids()
    assert b"no stack runs" in gate.varco("status").stderr


def test_it_is_the_same_process_and_has_started_nothing_anew(gate: Gate) -> None:
    pids = gate.pids()
    assert pids["varco"] == gate.up.pid
    started = [line for line in gate.log().splitlines() if '"event":"started"' in line]
    assert len(started) == len(pids) - 1
    assert gate.varco("status").returncode == 0


def test_it_has_loaded_no_library_that_only_the_start_needs(gate: Gate) -> None:
    loaded = Path(f"/proc/{gate.up.pid}/maps").read_text()
    assert not [name for name in ("pydantic_core", "_cffi_backend", "cryptography") if name in loaded]


def test_what_dies_starts_again(gate: Gate) -> None:
    for name in gate.pids().keys() - {"varco"}:
        before = gate.pids()
        os.kill(before[name], signal.SIGKILL)
        eventually(lambda name=name, before=before: gate.pids()[name] != before[name])
        eventually(lambda: gate.varco("status").returncode == 0)
        after = gate.pids()
        assert {other for other in before if before[other] != after[other]} == {name}
        assert not Path(f"/proc/{before[name]}").exists()


def test_a_restart_replaces_the_fork_server_and_its_processes(gate: Gate) -> None:
    before = gate.pids()
    restarted = gate.varco("restart")
    assert restarted.returncode == 0, restarted.stderr
    after = gate.pids()
    assert {name for name in before if before[name] == after[name]} == {"varco", "nats"}
    assert (FORK_SERVER in after) == ("voters" in after)


def test_no_thread_can_take_a_signal_from_the_small_program(gate: Gate) -> None:
    assert len(threads(gate.up.pid)) == 1


def test_a_program_is_started_with_no_signal_blocked(gate: Gate) -> None:
    for name, pid in gate.pids().items():
        assert not threads(pid)[str(pid)], name


def ready(gate: Gate) -> None:
    gate.wait((gate.home / "stack.json").exists)


def welcome(gate: Gate) -> None:
    gate.wait(lambda: "varco down" in gate.said.read_text() or "Ctrl-C" in gate.said.read_text())


@pytest.mark.parametrize("moment", [ready, welcome, Gate.wait_small])
def test_a_signal_at_any_moment_of_the_change_drains_and_ends_all(
    tmp_path: Path, moment: Callable[[Gate], None]
) -> None:
    gate = Gate(tmp_path / "var")
    moment(gate)
    assert gate.end() == 0, gate.said.read_text()
    assert not gate.pids()
    assert "didn't end in time" not in gate.log()


def test_no_process_outlives_the_small_program(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "var")
    gate.wait_small()
    assert gate.end(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize("refused", ["memfd_create", "execv"])
def test_a_gate_that_can_not_become_smaller_goes_on(tmp_path: Path, refused: str) -> None:
    gate = Gate(tmp_path / "var", "--processes", "one", program=("-c", REFUSED.format(refused)))
    gate.wait(lambda: (gate.home / "logs" / "varco.log").exists() and "going on as this one" in gate.log())
    before = gate.pids()["nats"]
    os.kill(before, signal.SIGKILL)
    gate.wait(lambda: gate.pids()["nats"] != before)
    gate.wait(lambda: gate.varco("status").returncode == 0)
    others = {thread: takes for thread, takes in threads(gate.up.pid).items() if thread != str(gate.up.pid)}
    assert all(others.values())
    assert gate.end() == 0
