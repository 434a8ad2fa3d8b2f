"""`varco trace` prints the whole story of a mail, whatever became of it."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from tests.integration.test_a_heavy_attachment_becomes_a_link import STUDIO, letter
from varco_common.base.ids import ALPHABET, LENGTH

ID = re.compile(rf"\b[{ALPHABET}]{{{LENGTH}}}\b")
EXECUTABLE = """\
--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\n\
Content-Disposition: attachment; filename="setup.exe"\r\n\r\nMZ\r\n--b--\r\n"""


@pytest.fixture
def recipient() -> str:
    return f"{uuid.uuid4().hex[:8]}@dest.test"


def sent(gate: Gate, recipients: list[str], body: bytes, code: int, *, source: str = "127.0.0.1", sender: str) -> str:
    """Sends a mail, and returns its id from the answer."""
    with gate.smtp(source) as client:
        answer = transact(client, sender, recipients, body)
    assert answer[0] == code, answer
    return ID.findall(answer[1])[-1]


def told(gate: Gate, what: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Returns the story as JSON, once it has come so far."""

    def story() -> dict[str, Any] | None:
        done = gate.varco("trace", what, "--json")
        found = json.loads(done.stdout)["story"] if done.returncode == 0 else None
        return found if found and until(found) else None

    found = wait_for(story, 40)
    assert found
    return found


def facts(story: dict[str, Any]) -> list[str]:
    return [step["fact"] for step in story["steps"]]


def test_a_delivered_mail_tells_session_votes_and_the_next_hops_answer(gate: Gate, hop: Hop, recipient: str) -> None:
    message_id = f"<{uuid.uuid4().hex}@acme.test>"
    body = mail("alice@acme.test", Message_ID=message_id)
    decision = sent(gate, [recipient], body, 250, sender="alice@acme.test")
    story = told(
        gate, decision, lambda one: [fate["state"] for fate in one["fates"]] == ["delivered"] and one["ballot"]
    )
    assert (story["session"]["host"], story["session"]["helo"]) == ("127.0.0.1", "client.test")
    votes = {vote["voter"]: vote for vote in story["votes"]}
    assert {"policy", "ratelimit", "banguard", "filelink"} <= set(votes)
    assert all(vote["reply"] == "accepted" for vote in votes.values())
    assert votes["policy"]["sequence"] > 0
    assert facts(story) == ["mail-recorded", "mail-delivered"]
    assert story["fates"][0]["host"] == f"127.0.0.1:{hop.server.port}"
    for known in (message_id, recipient, decision.upper()):
        assert told(gate, known, bool)["mail"] == decision
    text = gate.varco("trace", decision).stdout
    for words in ("alice@acme.test", "accepted and kept", f"delivered to 127.0.0.1:{hop.server.port}", "varco state"):
        assert words in text
    lines = gate.varco("events", "export", "-", "--mail", decision).stdout.splitlines()
    types = {json.loads(line)["event"]["type"] for line in lines}
    assert types == {"mail.delivered.v1", "mail.recorded.v1"}


def test_a_refused_mail_tells_who_objected_and_what_the_client_heard(gate: Gate, recipient: str) -> None:
    body = mail("alice@acme.test", EXECUTABLE, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')
    decision = sent(gate, [recipient], body, 554, sender="alice@acme.test")
    story = told(gate, decision, bool)
    assert facts(story) == ["mail-refused"]
    assert not story["ballot"]["accepted"]
    assert 'L\'allegato "setup.exe"' in story["ballot"]["answer"]
    assert [vote["voter"] for vote in story["votes"] if vote["reply"] == "forbidden-attachment"] == ["policy"]
    assert [fate["state"] for fate in story["fates"]] == ["refused"]
    assert "setup.exe" in gate.varco("trace", decision).stdout


def test_a_converted_mail_tells_its_link_and_the_download(gate: Gate, hop: Hop, recipient: str) -> None:
    gate.apply(STUDIO.format(port=hop.server.port))
    decision = sent(gate, [recipient], letter(), 250, source="127.0.0.9", sender="anna@studio.test")
    story = told(gate, decision, lambda one: "mail-delivered" in facts(one) and facts(one).count("mail-recorded") == 2)
    linked = next(step for step in story["steps"] if step["fact"] == "attachment-linked")
    assert "disegni più grandi.pdf" in linked["what"]
    [link] = gate.json("links", "list", "--mail", decision)["links"]
    assert linked["details"][0] == f"link {link['link']}"
    assert httpx.get(link["url"], timeout=60).status_code == 200
    story = told(gate, decision, lambda one: "link-downloaded" in facts(one))
    assert facts(story)[0] == "mail-recorded"
    assert [fate["state"] for fate in story["fates"]] == ["delivered"]
    assert "1 attachment to become links" in story["steps"][0]["what"]


def test_a_bounced_mail_tells_the_answer_and_the_notification(gate: Gate, hop: Hop, recipient: str) -> None:
    sender = f"{uuid.uuid4().hex[:8]}@acme.test"
    hop.server.answer(recipient, "550 5.1.1 no such user here")
    decision = sent(gate, [recipient], mail(sender), 250, sender=sender)

    def notified(story: dict[str, Any]) -> bool:
        return "mail-delivered" in facts(story) and facts(story).count("mail-recorded") == 2

    story = told(gate, decision, notified)
    assert story["fates"][0]["state"] == "bounced"
    assert "no such user here" in story["fates"][0]["answer"]
    # A gate that has run for minutes has looked at the reputation of its domains.
    assert [fact for fact in facts(story) if fact not in ("mail-recorded", "reputation-changed")] == [
        "mail-bounced",
        "sender-notified",
        "mail-delivered",
    ]
    assert story["steps"][-1]["what"].startswith(f"the notification: {sender}: delivered to")
    assert "no such user here" in gate.varco("trace", decision).stdout


def test_who_got_several_mails_is_asked_which(gate: Gate, recipient: str) -> None:
    mails = [sent(gate, [recipient], mail("alice@acme.test"), 250, sender="alice@acme.test") for _ in range(2)]

    def listed() -> bool:
        return all(one in gate.varco("trace", recipient).stdout for one in mails)

    wait_for(listed)
    assert f"choose one: varco trace {mails[-1]}" in gate.varco("trace", recipient).stdout
    unknown = gate.varco("trace", "nobody@nowhere.test")
    assert unknown.returncode == 1
    assert "Message-ID" in unknown.stderr
