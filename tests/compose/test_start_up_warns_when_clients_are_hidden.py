"""Ingress warns that the network's gateway hides clients of a published port."""

import contextlib
import socket

from tests.compose.deployment import Deployment
from tests.integration.gate import wait_for

WARNING = "all clients seem to come from one private address"


def greeted(gate: Deployment) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gate.ports.smtp), 30) as client:
        return client.recv(100).startswith(b"220 ")
    return False


def warnings(gate: Deployment) -> int:
    return sum(WARNING in line for line in gate.logs("ingress-smtp"))


def test_start_up_warns_when_clients_are_hidden(gate: Deployment) -> None:
    before = warnings(gate)
    gate.compose("restart", "ingress-smtp")  # it looks at the first clients after a start

    for _ in range(20):
        wait_for(lambda: greeted(gate))

    wait_for(lambda: warnings(gate) > before)
