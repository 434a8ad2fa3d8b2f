"""`varco audit balance`: accepted is delivered, bounced, expired, dropped or in flight, to the last recipient."""

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

RECIPIENTS = [f"{name}@balance.test" for name in ("one", "two", "three")]


def accepted(gate: Deployment) -> int:
    """Recipients that audit has counted so far; none of them may be missing further down."""
    balance = gate.json("audit", "balance", "--account", "acme")  # exit code 1 where one is
    assert balance["unaccounted"] == []
    return sum(line["accepted"] for line in balance["lines"])


def test_every_recipient_is_accounted_for(gate: Deployment) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, RECIPIENTS, mail(ALICE))

    assert answer[0] == 250, answer
    wait_for(lambda: all(gate.caught(recipient) for recipient in RECIPIENTS))
    assert wait_for(lambda: accepted(gate) >= len(RECIPIENTS), 60)
