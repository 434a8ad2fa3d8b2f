"""Every sent mail is in the account's mailbox. Any POP3 client fetches it inside TLS."""

import poplib

from tests.compose.conftest import ALICE, ANOTHER, ARCHIVE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, trusting, wait_for


def fetched(gate: Deployment, word: bytes) -> list[bytes]:
    """Returns the copies that contain this word."""
    client = poplib.POP3("127.0.0.1", gate.ports.pop3, timeout=30)
    try:
        client.stls(context=trusting())
        client.user(ARCHIVE)
        client.pass_(ANOTHER)
        numbers = range(1, client.stat()[0] + 1)
        mails = [b"\r\n".join(client.retr(number)[1]) for number in numbers]
    finally:
        client.quit()
    return [one for one in mails if word in one]


def test_a_copy_is_fetched_by_pop3(gate: Deployment) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, ["copied@dest.test"], mail(ALICE, "kept for ten years\r\n"))

    assert answer[0] == 250, answer
    copies = wait_for(lambda: fetched(gate, b"kept for ten years"))
    assert len(copies) == 1
    assert b"copied@dest.test" in copies[0]
