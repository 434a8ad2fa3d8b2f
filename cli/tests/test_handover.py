"""`varco up` becomes a small program that goes on with the same processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from varco_cli.stack import Ports
from varco_cli.stack.forking import FORK_SERVER
from varco_common.testing.processes import alive

SECONDS = 120.0


class Gate:
    """A stack that `varco up` has started, once it has become the small program."""

    def __init__(self, home: Path, *arguments: str) -> None:
        ports = Ports.free()
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
        self.environment = {**inherited, **ports.environment, "VARCO_API_PORT": str(ports.api), "VARCO_HOME": str(home)}
        with (home.parent / "up.log").open("wb") as log:
            self.up = subprocess.Popen(self.command("up", *arguments), env=self.environment, stdout=log, stderr=log)
        eventually(lambda: b"varco_cli.supervisor" in Path(f"/proc/{self.up.pid}/cmdline").read_bytes())

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


@pytest.fixture(scope="module", params=["groups", "one"])
def gate(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate") / "var", "--processes", request.param)
    yield gate
    before = gate.pids()
    gate.up.terminate()
    assert gate.up.wait(SECONDS) == 0
    assert not [name for name, pid in before.items() if alive(pid)]
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


def test_a_program_is_started_with_no_signal_blocked(gate: Gate) -> None:
    for name, pid in gate.pids().items():
        status = Path(f"/proc/{pid}/status").read_text()
        blocked = int(status.split("SigBlk:")[1].split()[0], 16)
        assert not blocked & (1 << (signal.SIGTERM - 1)), name
