"""A process notices that its network namespace lost every interface."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")), reason="needs root, unshare and ip"
)
WATCH = (
    "import asyncio; from varco_common.runtime.network_watch import network_lost; "
    "print('watching', flush=True); asyncio.run(network_lost()); print('lost', flush=True)"
)


def in_a_namespace(setup: str) -> "subprocess.Popen[str]":
    """Starts a watch in a network namespace of its own; it reads commands of the shell."""
    script = f'{setup}\n{sys.executable} -c "{WATCH}" & while read -r line; do $line; done; wait'
    return subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_it_returns_when_the_last_interface_is_gone() -> None:
    with in_a_namespace("ip link add veth0 type veth peer name veth1 && ip link set veth0 up") as shell:
        assert shell.stdin
        assert shell.stdout
        assert shell.stdout.readline() == "watching\n"
        shell.stdin.write("ip link del veth0\n")
        shell.stdin.close()
        assert shell.stdout.readline() == "lost\n"


def test_a_machine_that_never_had_a_network_is_left_alone() -> None:
    with in_a_namespace("true") as shell:
        assert shell.stdout
        assert shell.stdout.readline() == "watching\n"
        with pytest.raises(subprocess.TimeoutExpired):
            shell.wait(8)  # longer than a network that was there may be missing
        subprocess.run(["kill", *children(shell.pid)], check=True)


def children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - it has no name to speak of
        return file.read().split()
