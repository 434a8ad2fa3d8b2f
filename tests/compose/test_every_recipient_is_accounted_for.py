"""`varco audit balance` accounts for every recipient of accepted mail."""

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

RECIPIENTS = [f"{name}@balance.test" for name in ("one", "two", "three")]


def accepted(gate: Deployment) -> int:
    """Returns the recipients that audit has counted so far. None may be missing later."""
    balance = gate.json("audit", "balance", "--account", "acme")  # exit code 1 where one is
    assert balance["unaccounted"] == []
    return sum(line["accepted"] for line in balance["lines"])


def test_every_recipient_is_accounted_for(gate: Deployment) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, RECIPIENTS, mail(ALICE))

    assert answer[0] == 250, answer
    wait_for(lambda: all(gate.caught(recipient) for recipient in RECIPIENTS))
    assert wait_for(lambda: accepted(gate) >= len(RECIPIENTS), 60)
