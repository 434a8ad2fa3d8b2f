"""Two network namespaces joined by a cable: a gate, and clients.

Made by root, removed at the end.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

GATE_V4, GATE_V6 = "10.99.0.1", "fd00:99::1"
CLIENT, NEIGHBOUR, CLIENT_V6 = "10.99.0.2", "10.99.0.3", "fd00:99:0:1::2"
_CONNECT = """
import socket, sys
source, host, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
one = socket.socket(family)
one.settimeout(5)
one.bind((source, 0))
try:
    one.connect((host, int(port)))
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


def why_not() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if os.geteuid():
        return "network namespaces need root"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [program for program in ("ip", "nft") if not shutil.which(program, path=path)]:
        return f"not installed: {', '.join(missing)} (packages iproute2 and nftables)"
    name = f"varco-{os.getpid()}-probe"
    if _ip("netns", "add", name).returncode:
        return "this machine allows no network namespaces"
    usable = _ip("netns", "exec", name, "nft", "list", "ruleset").returncode == 0
    _ip("netns", "del", name)
    return "" if usable else "nft doesn't work in a network namespace here"


class Namespaces:
    """`gate` is a command prefix that runs a program in the gate's namespace."""

    def __init__(self) -> None:
        self._gate, self._clients = (f"varco-{os.getpid()}-{end}" for end in ("gate", "clients"))
        self.gate = ["ip", "netns", "exec", self._gate]

    def make(self) -> None:
        for name in (self._gate, self._clients):
            _must("netns", "add", name)
            _must("-n", name, "link", "set", "lo", "up")
        cable = ("type", "veth", "peer", "name", "eth0", "netns", self._clients)
        _must("-n", self._gate, "link", "add", "eth0", *cable)
        for name, addresses in (
            (self._gate, (f"{GATE_V4}/24", f"{GATE_V6}/48")),
            (self._clients, (f"{CLIENT}/24", f"{NEIGHBOUR}/24", f"{CLIENT_V6}/48")),
        ):
            for address in addresses:
                _must("-n", name, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
            _must("-n", name, "link", "set", "eth0", "up")

    def remove(self) -> None:
        for name in (self._gate, self._clients):
            _ip("netns", "del", name)

    def connect(self, source: str, port: int) -> str:
        """`connected`, or the error's name, for a connection from this address to the gate."""
        host = GATE_V6 if ":" in source else GATE_V4
        command = [
            "ip",
            "netns",
            "exec",
            self._clients,
            sys.executable,
            "-I",
            "-S",
            "-c",
            _CONNECT,
            source,
            host,
            str(port),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=_environment()).stdout.strip()

    def nft(self, *arguments: str) -> str:
        """What nft says in the gate's namespace."""
        command = [*self.gate, "nft", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=_environment()).stdout


@contextmanager
def namespaces() -> Iterator[Namespaces]:
    made = Namespaces()
    try:
        made.make()
        yield made
    finally:
        made.remove()


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, env=_environment())


def _must(*arguments: str) -> None:
    done = _ip(*arguments)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
