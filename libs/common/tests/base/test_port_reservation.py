"""Test runs that go on side by side take each other's ports away in no case."""

import socket
import subprocess
import sys

from varco_common.base.port_reservation import reserve
from varco_common.testing import free_port

HOLD = "import sys; from varco_common.base.port_reservation import reserve; print(reserve({port}), flush=True); input()"


def unused_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_a_process_has_reserved_no_other_gets_before_it_ends():
    port = unused_udp_port()
    command = [sys.executable, "-c", HOLD.format(port=port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "True\n"
        assert not reserve(port)
        with socket.create_server(("127.0.0.1", port)):
            pass  # servers are not in its way
        other.communicate("\n", timeout=60)
    assert reserve(port)


def test_a_free_port_is_passed_over_while_somebody_listens_on_it():
    first = free_port()
    ahead = [first + number for number in range(1, 4)]
    servers = [socket.create_server(("127.0.0.1", port)) for port in ahead if port % 200]
    try:
        assert free_port() not in [server.getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.close()
