"""A file over the account's limit leaves as a link, which returns it byte for byte."""

import os
import re
from email.message import EmailMessage

import httpx

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import transact, wait_for


def test_a_heavy_attachment_is_downloaded_by_its_link(gate: Deployment) -> None:
    recipient, file = "heavy@dest.test", os.urandom(2_000_000)
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = ALICE, recipient, "the plans"
    letter.set_content("Here they are.\n")
    letter.add_attachment(file, maintype="application", subtype="pdf", filename="plans.pdf")

    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, [recipient], letter.as_bytes().replace(b"\n", b"\r\n"))
    caught = wait_for(lambda: gate.caught(recipient), 60)[0]

    assert answer[0] == 250, answer
    assert caught["size"] < 10_000
    text = caught["content"].replace("=\r\n", "")
    link = re.search(rf"http://127\.0\.0\.1:{gate.ports.links}/files/[0-9a-f]{{40}}\.pdf", text)
    assert link, text
    assert httpx.get(link[0], timeout=30).content == file
