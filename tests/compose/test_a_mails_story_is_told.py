"""`varco trace` prints the story of a mail, from the published port to the next hop."""

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

RECIPIENT = "traced@dest.test"


def told(gate: Deployment) -> str:
    """Returns the story once audit has the delivery; before that nothing."""
    text = gate.varco("trace", RECIPIENT)
    return text if "delivered" in text else ""


def test_a_mails_story_is_told(gate: Deployment) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, [RECIPIENT], mail(ALICE, Subject="whose story is told"))

    assert answer[0] == 250, answer
    wait_for(lambda: gate.caught(RECIPIENT))
    story = wait_for(lambda: told(gate), 60)
    assert answer[1].rpartition(" ")[2] in story
    assert "catcher:2525" in story
