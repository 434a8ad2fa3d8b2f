"""Connections to a published port from this machine come from the network's gateway: ingress says that it hides clients."""

import socket

from tests.compose.deployment import Deployment
from tests.integration.gate import wait_for

WARNING = "all clients seem to come from one private address"


def test_start_up_warns_when_clients_are_hidden(gate: Deployment) -> None:
    gate.compose("restart", "ingress-smtp")
    gate.compose("up", "--detach", "--wait", "ingress-smtp")

    for _ in range(25):
        with socket.create_connection(("127.0.0.1", gate.ports.smtp), 30) as client:
            assert client.recv(100).startswith(b"220 ")

    wait_for(lambda: any(WARNING in line for line in gate.logs("ingress-smtp")))
