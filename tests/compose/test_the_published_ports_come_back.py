"""Whatever happens to container `gate`, which holds the ports: they come back by themselves."""

import contextlib
import os
import secrets
import signal
import smtplib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

SHARING = ("ingress-smtp", "archive", "firewall")


def passes(gate: Deployment) -> bool:
    """Whether a mail is accepted now."""
    away = (smtplib.SMTPException, OSError, TimeoutError, AssertionError)  # the last: the login is not taken yet
    with contextlib.suppress(*away), gate.smtp(ALICE, PASSWORD) as client:
        recipient = f"{secrets.token_hex(6)}@dest.test"
        return transact(client, ALICE, [recipient], mail(ALICE))[0] == 250
    return False


def all_share(gate: Deployment) -> bool:
    """Whether each of the three runs, and has more than a loopback interface."""
    for service in SHARING:
        for container in gate.containers(service):
            if container["State"]["Status"] != "running":
                return False
            with contextlib.suppress(OSError):
                devices = Path(f"/proc/{container['State']['Pid']}/net/dev").read_text().splitlines()[2:]
                if not any("eth" in device for device in devices):
                    return False
    return True


def kill(gate: Deployment) -> None:
    """Ends it as a crash would: Docker starts it again, which it doesn't after `docker kill`."""
    os.kill(gate.containers("gate")[0]["State"]["Pid"], signal.SIGKILL)


def restart_it(gate: Deployment) -> None:
    gate.compose("restart", "gate")


def restart_all(gate: Deployment) -> None:
    gate.compose("restart")


@pytest.mark.skipif(os.geteuid() != 0, reason="kills a container's process: needs root")
@pytest.mark.parametrize("happens", [kill, restart_it, restart_all], ids=["killed", "restarted", "all-restarted"])
def test_mail_passes_again(gate: Deployment, happens: Callable[[Deployment], None]) -> None:
    assert passes(gate)
    happens(gate)
    wait_for(lambda: passes(gate) and all_share(gate), 240)


def test_new_code_does_not_replace_the_container_that_holds_the_ports(gate: Deployment) -> None:
    """Gives each of our images a new layer, as a change of code does, and brings the project up."""
    before = {service: gate.containers(service)[0]["Id"] for service in ("gate", "ingress-smtp")}
    images = {container["Config"]["Image"] for container in gate.containers()}
    for image in (image for image in images if image.startswith("varco/")):
        text = f"FROM {image}\nLABEL changed={secrets.token_hex(4)}\n"
        subprocess.run(["docker", "build", "--quiet", "--tag", image, "-"], input=text, text=True, check=True)
    gate.compose("--profile", "demo", "up", "--detach", "--wait", "--wait-timeout", "300")
    after = {service: gate.containers(service)[0]["Id"] for service in before}
    assert after["gate"] == before["gate"]
    assert after["ingress-smtp"] != before["ingress-smtp"]
    wait_for(lambda: passes(gate), 60)
