"""`make upgrade` under traffic: clients are delayed at most, and what was accepted arrives once."""

import secrets
import smtplib
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

STAY = ("gate", "nats", "postgres", "minio")
REPLACED = (
    *("policy", "ratelimit", "banguard", "filelink", "domains", "console"),
    *("relay", "archive", "audit", "ingress-smtp", "firewall"),
)


class Traffic:
    """A client that sends one mail after the other, each in a session of its own."""

    def __init__(self, gate: Deployment) -> None:
        self._gate = gate
        self._stop = threading.Event()
        self.accepted: list[str] = []
        self.refused_connections: list[str] = []

    def run(self) -> None:
        while not self._stop.wait(0.1):
            recipient = f"{secrets.token_hex(8)}@dest.test"
            try:
                self._send(recipient)
            except ConnectionRefusedError as error:
                self.refused_connections.append(str(error))
            except (smtplib.SMTPException, OSError, AssertionError):
                continue  # delayed: a 4yz answer, or a session that ended

    def _send(self, recipient: str) -> None:
        with self._gate.smtp(ALICE, PASSWORD) as client:
            if transact(client, ALICE, [recipient], mail(ALICE))[0] == 250:
                self.accepted.append(recipient)

    @contextmanager
    def flowing(self) -> Iterator["Traffic"]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


def give_new_layers(gate: Deployment) -> None:
    """Runs the gate from images that a build replaces, as after a change of code."""
    images = {container["Config"]["Image"] for container in gate.containers()}
    for image in (image for image in images if image.startswith("varco/")):
        text = f"FROM {image}\nLABEL changed={secrets.token_hex(4)}\n"
        subprocess.run(["docker", "build", "--quiet", "--tag", image, "-"], input=text, text=True, check=True)
    gate.compose("--profile", "demo", "up", "--detach", "--wait", "--wait-timeout", "300")


def change_a_setting(gate: Deployment) -> None:
    gate.settings_file.write_text("VARCO_LOG_LEVEL=debug\n")


def ids(gate: Deployment, *services: str) -> dict[str, str]:
    return {service: gate.containers(service)[0]["Id"] for service in services}


@pytest.mark.parametrize("change", [give_new_layers, change_a_setting], ids=["code", "settings"])
def test_an_upgrade_under_traffic_refuses_no_connection_and_loses_nothing(
    gate: Deployment, change: Callable[[Deployment], None]
) -> None:
    change(gate)
    before = ids(gate, *STAY, *REPLACED)
    with Traffic(gate).flowing() as traffic:
        wait_for(lambda: len(traffic.accepted) > 10, 60)
        gate.script("upgrade.sh")
        during = len(traffic.accepted)
        wait_for(lambda: len(traffic.accepted) > during + 10, 60)
    after = ids(gate, *STAY, *REPLACED)
    assert {service for service in after if after[service] == before[service]} == {*STAY}
    assert traffic.refused_connections == []

    def arrived() -> bool:
        return {*traffic.accepted} <= {*times(gate)}

    wait_for(arrived, 120)
    counts = times(gate)
    assert {recipient: counts[recipient] for recipient in traffic.accepted if counts[recipient] > 1} == {}
    assert gate.json("status")["ready"], "ingress' API is at its port again"
    gate.compose("--profile", "demo", "up", "--detach", "--wait", "--wait-timeout", "300")
    assert ids(gate, *STAY, *REPLACED) == after, "the next `up` replaces nothing"


def times(gate: Deployment) -> Counter[str]:
    """How often each recipient's mail reached the next hop."""
    return Counter(recipient for mail in gate.all_caught() for recipient in mail["recipients"])
