"""`varco up` as an operator starts and ends it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from varco_cli.stack import Ports

SECONDS = 60.0


class Machine:
    """`varco` with its own home and ports. The test ends whatever it starts."""

    def __init__(self, home: Path) -> None:
        self.home, self.ports = home, Ports.free()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VARCO_")},
            **self.ports.environment,
            "VARCO_HOME": str(home),
            "VARCO_API_PORT": str(self.ports.api),
        }

    def varco(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "varco_cli.main", *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=SECONDS * 2,
            check=False,
        )

    def wait_ready(self) -> None:
        """A service may miss a look at it while all start."""
        deadline = time.monotonic() + SECONDS * 2
        while not json.loads(self.varco("status", "--json").stdout)["ready"]:
            assert time.monotonic() < deadline

    def pids(self) -> dict[str, int]:
        return {file.stem: int(file.read_text()) for file in (self.home / "pids").glob("*.pid")}

    def alive(self) -> list[int]:
        """Returns the processes of this home, found by their environment."""
        mark = f"VARCO_HOME={self.home}".encode()
        return [
            int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in read(path).split(b"\0")
        ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def until_told(command: str, words: str) -> None:
    """Runs the command until it prints these words, because audit indexes a mail a little later."""
    deadline = time.monotonic() + SECONDS
    while (
        words not in (done := subprocess.run(command, shell=True, check=False, capture_output=True, text=True)).stdout
    ):
        assert time.monotonic() < deadline, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "a home")  # the blank: printed lines must work in any shell
    yield machine
    machine.varco("down")
    assert machine.alive() == []


def test_the_printed_lines_work_and_the_second_start_has_the_same_state(machine: Machine) -> None:
    up = machine.varco("up", "--detach")
    assert up.returncode == 0, up.stderr
    lines = [line.strip() for line in up.stdout.splitlines()]
    mail = next(line for line in lines if "--upload-file" in line)
    subprocess.run(mail, shell=True, check=True, capture_output=True, timeout=SECONDS)
    trace = next(line for line in lines if " trace " in line)
    until_told(trace, "someone@elsewhere.example")

    assert machine.varco("up").returncode == 4  # it says that one runs already
    machine.wait_ready()
    assert machine.varco("down").returncode == 0
    assert machine.alive() == []

    assert machine.varco("up", "--detach", "--processes", "one").returncode == 0
    assert set(machine.pids()) == {"varco", "nats", "services"}
    subprocess.run(mail, shell=True, check=True, capture_output=True, timeout=SECONDS)
    until_told(trace, "2 mails have")


def test_nothing_outlives_a_killed_supervisor(machine: Machine) -> None:
    assert machine.varco("up", "--detach").returncode == 0
    os.kill(machine.pids()["varco"], signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while machine.alive():
        assert time.monotonic() < deadline
    assert machine.varco("status").returncode == 3
    again = machine.varco("up", "--detach")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("variable", ["VARCO_API_PORT", "VARCO_SMTP_PORT"])
def test_a_taken_port_is_told_with_its_variable(machine: Machine, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = machine.varco("up", **{variable: port})
    assert up.returncode == 2
    assert f"varco: {variable}={port}: expected a port" in up.stderr


def test_all_taken_ports_are_told_at_once(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = {"VARCO_SMTP_PORT": str(first.getsockname()[1]), "VARCO_POP3_PORT": str(second.getsockname()[1])}
        up = machine.varco("up", **ports)
    assert up.returncode == 2
    assert all(f"{variable}={port}: expected a port" in up.stderr for variable, port in ports.items())


@pytest.mark.parametrize(
    ("variable", "answer"),
    [
        ("VARCO_RELAY_GIVEUP", "VARCO_RELAY_GIVEUP is no setting: did you mean VARCO_RELAY_GIVE_UP?"),
        ("VARCO_HOSTNAMES", "VARCO_HOSTNAMES is no setting: did you mean VARCO_HOSTNAME?"),
        ("VARCO_COLOUR", "VARCO_COLOUR is no setting: docs/configuration.md lists all of them"),
    ],
)
def test_a_misspelt_variable_stops_the_start_at_once(machine: Machine, variable: str, answer: str) -> None:
    up = machine.varco("up", **{variable: "5"})
    assert up.returncode == 2
    assert up.stderr.splitlines()[-1] == f"varco: {answer}"
    assert not (machine.home / "logs" / "relay.log").exists()


def test_a_broken_setting_is_told_with_its_variable(machine: Machine) -> None:
    up = machine.varco("up", VARCO_SMTP_PORT="smtp")
    assert (up.returncode, up.stderr.count("\n")) == (2, 1)
    assert up.stderr.startswith("varco: VARCO_SMTP_PORT=smtp: expected")


MENDED = (
    "places.json",
    "stack.json",
    "prometheus-targets.json",
    "nats.conf",
    "admin.token",
    "tls/localhost.crt",
    "tls/localhost.key",
    "secrets/nats-relay.password",
    "ratelimit/0/identity",
    "pids/relay.pid",
)


def test_a_start_makes_again_what_a_power_cut_left_empty(machine: Machine) -> None:
    assert machine.varco("up", "--detach").returncode == 0
    os.kill(machine.pids()["varco"], signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while machine.alive():
        assert time.monotonic() < deadline
    for name in MENDED:
        file = machine.home / name
        assert file.exists(), name
        file.write_bytes(b"")

    up = machine.varco("up", "--detach")

    assert up.returncode == 0, up.stderr
    assert "admin.token was damaged: made again" in up.stdout
    assert [name for name in MENDED if not (machine.home / name).read_bytes()] == []
    machine.wait_ready()
    assert machine.varco("down").returncode == 0


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("relay.key", "restore it from a backup, or delete it and set the routes that have a password again"),
        ("filelink.key", "restore it from a backup, or delete it: the links that were sent go on working"),
        ("audit-signing.key", "restore it from a backup, or delete it: audit then makes another key"),
        ("token.key", "restore it from a backup that was made --with-secrets, or delete it"),
    ],
)
def test_a_key_that_can_not_be_made_again_is_named_with_what_to_do(machine: Machine, name: str, remedy: str) -> None:
    key = machine.home / "secrets" / name
    key.parent.mkdir(parents=True, mode=0o700)
    key.touch(mode=0o600)

    up = machine.varco("up")

    assert (up.returncode, key.read_bytes()) == (2, b"")
    assert f"secrets/{name}" in up.stderr.splitlines()[-1]
    assert remedy in up.stderr.splitlines()[-1]
