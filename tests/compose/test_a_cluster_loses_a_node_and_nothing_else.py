"""compose.cluster.yml loses and doubles nothing.

The node that leads MAIL is killed under traffic, and each service is replaced.
"""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.compose.conftest import ACME, ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import wait_for
from tests.traffic import Sender
from varco_common.bus import jetstream
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.connection import NatsConnection

NODES = {"n1": "nats", "n2": "nats-2", "n3": "nats-3"}
SERVICES = ("policy", "ratelimit", "banguard", "filelink", "relay", "archive", "audit", "ingress-smtp")
SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("cluster")
    deployment = Deployment(folder, files=("docker-compose.yml", "compose.cluster.yml"))
    with deployment.running("demo"):
        deployment.apply(ACME.replace("LINKS", str(deployment.ports.links)))
        yield deployment


def test_a_killed_node_loses_nothing_and_mail_flows_on(cluster: Deployment) -> None:
    leader = asyncio.run(stream(cluster))["cluster"]["leader"]
    assert len(cluster.containers("ingress-smtp")) == len(cluster.containers("policy")) == 2
    with sending(cluster, "node@dest.test") as sender:
        wait_for(lambda: len(sender.answered) > 10, 60)
        [container] = cluster.containers(NODES[leader])
        subprocess.run(["docker", "kill", container["Id"]], check=True, capture_output=True)
        killed, count = time.monotonic(), len(sender.answered)
        wait_for(lambda: len(sender.answered) > count + 10, SECONDS)
        assert time.monotonic() - killed < SECONDS
        wait_for(lambda: len(caught(cluster, "node@dest.test")) > count, SECONDS)
    all_arrived_once(cluster, sender, "node@dest.test")
    cluster.compose("up", "--detach", "--no-deps", "--wait", NODES[leader])
    wait_for(lambda: all(one["current"] for one in asyncio.run(stream(cluster))["cluster"]["replicas"]), SECONDS)


def test_services_replaced_one_after_the_other_lose_nothing(cluster: Deployment) -> None:
    with sending(cluster, "rolled@dest.test") as sender:
        wait_for(lambda: len(sender.answered) > 10, 60)
        for service in SERVICES:
            cluster.compose("up", "--detach", "--no-deps", "--force-recreate", "--wait", service)
        count = len(sender.answered)
        wait_for(lambda: len(sender.answered) > count + 10, SECONDS)
    all_arrived_once(cluster, sender, "rolled@dest.test")


def sending(gate: Deployment, recipient: str) -> Sender:
    return Sender(lambda: gate.smtp(ALICE, PASSWORD), ALICE, recipient)


def caught(gate: Deployment, recipient: str) -> Counter[str]:
    lines = (line for one in gate.caught(recipient) for line in one["content"].splitlines())
    return Counter(line[9:] for line in lines if line.startswith("Subject: "))


def all_arrived_once(gate: Deployment, sender: Sender, recipient: str) -> None:
    wait_for(lambda: caught(gate, recipient).keys() >= sender.answered, 120)
    times = caught(gate, recipient)
    assert {subject for subject in sender.answered if times[subject] != 1} == set()
    assert set(times) <= sender.answered | sender.unsure


async def stream(gate: Deployment) -> dict[str, dict[str, object]]:
    """Returns what JetStream reports of MAIL."""
    running = [service for service in NODES.values() if gate.containers(service)[0]["State"]["Running"]]
    url = ",".join(f"nats://{gate.address(service)}:4222" for service in running)
    password = gate.home / "secrets" / "nats-operator.password"
    async with NatsConnection.open(BusSettings(url=url, user="operator", password_file=password), "operator") as link:
        return await jetstream.api(link, "STREAM.INFO.MAIL")
