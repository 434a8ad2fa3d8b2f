"""With two of ingress, policy and ratelimit, a quota is exact and each mail leaves once."""

import json
import smtplib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

SENDER, RECIPIENT = "scaled@acme.test", "scaled@dest.test"
LIMIT, CLIENTS, EACH = 30, 16, 4
SCALED = ("ingress-smtp", "policy", "ratelimit")


def scaled(gate: Deployment, count: int) -> None:
    options = [word for service in SCALED for word in ("--scale", f"{service}={count}")]
    gate.compose("--profile", "demo", "up", "--detach", "--wait", "--wait-timeout", "300", *options)


@pytest.fixture
def doubled(gate: Deployment) -> Iterator[Deployment]:
    scaled(gate, 2)
    yield gate
    scaled(gate, 1)


def send(client: smtplib.SMTP) -> list[int]:
    """Sends with one client, and returns its answers."""
    codes = []
    for _ in range(EACH):
        codes.append(transact(client, SENDER, [RECIPIENT], mail(SENDER))[0])
        client.rset()
    return codes


def answered_by(gate: Deployment) -> list[int]:
    """Returns how many of these mails each ingress has answered."""
    answered = (
        [json.loads(line) for line in lines if '"mail answered"' in line] for lines in gate.logs_of_each("ingress-smtp")
    )
    return [sum(line["sender"] == SENDER for line in lines) for lines in answered]


def test_scaled_services_count_nothing_twice(doubled: Deployment) -> None:
    doubled.varco("quota", "except", "acme", SENDER, f"messages={LIMIT}", "--reason", "to be reached")

    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as threads:
        clients = [
            stack.enter_context(doubled.smtp(ALICE, PASSWORD)) for _ in range(CLIENTS)
        ]  # in turn: hashing takes CPU
        codes = Counter(code for found in threads.map(send, clients) for code in found)

    assert codes == {250: LIMIT, 450: CLIENTS * EACH - LIMIT}
    shares = answered_by(doubled)
    assert len(shares) == 2
    assert min(shares) > 0, "both take connections from the one port"
    wait_for(lambda: len(doubled.caught(RECIPIENT)) >= LIMIT, 60)
    assert len(doubled.caught(RECIPIENT)) == LIMIT
