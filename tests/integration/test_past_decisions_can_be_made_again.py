"""What was decided comes out the same when it is decided again; one changed byte of history doesn't."""

import asyncio
import json
import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.gate import Gate, mail, transact, trusting, wait_for

VOTERS = ("policy", "ratelimit", "banguard", "filelink")
ACME = """\
account: acme
language: it
users:
  - {{login: alice@acme.test, password: correct-horse}}
senders: ["@acme.test", "sales@partner.test"]
networks: ["127.0.0.1/32", "127.0.0.2/32"]
route: blackhole
rules:
  max_size: 400kB
  max_recipients: 3
  attachments: {{allow: [{allow}]}}
quotas:
  messages: {{limit: {limit}, per: 1 day}}
  recipients: {{limit: 60, per: calendar day}}
  account: {{messages: 100}}
  time_zone: Europe/Rome
filelink: {{over: 100kB}}
"""
ATTACHED = (
    "--b\r\nContent-Type: text/plain\r\n\r\nsee there\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{content}\r\n--b--\r\n'
)


def attached(name: str, size: int = 100) -> bytes:
    line = "x" * 70 + "\r\n"
    body = ATTACHED.format(name=name, content=(line * (size // 72 + 1))[:-2])
    return mail("alice@acme.test", body, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')


def send(gate: Gate, sender: str, body: bytes, *recipients: str, source: str = "127.0.0.1") -> int:
    with gate.smtp(source) as client:
        return transact(client, sender, [*recipients] or ["bob@dest.test"], body)[0]


def every_kind(gate: Gate) -> list[int]:
    """Mails that pass, and one that is refused for each reason there is."""
    alice, plain = "alice@acme.test", mail("alice@acme.test")
    many = [f"r{number}@dest.test" for number in range(5)]
    return [
        send(gate, alice, plain),
        send(gate, "", mail("alice@acme.test")),
        send(gate, "eve@evil.test", plain),  # by ingress, before its body
        send(gate, alice, mail("eve@evil.test")),  # by policy
        send(gate, alice, plain, *many),  # a recipient too many
        send(gate, alice, mail(alice, "y" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 6_000)),  # too big
        send(gate, alice, attached("report.pdf.exe")),
        send(gate, alice, attached("paper.txt")),
        send(gate, alice, attached("paper.txt", 150_000)),  # becomes a link
        send(gate, alice, mail(alice, "a\nb\r\n")),  # a bare LF
    ]


def in_parallel(gate: Gate, sender: str, count: int) -> list[int]:
    with ThreadPoolExecutor(16) as pool:
        return [*pool.map(lambda _: send(gate, sender, mail(sender)), range(count))]


def ban(gate: Gate, source: str) -> None:
    """Wrong passwords until the door is closed; a session that was open before it sends meanwhile."""
    with gate.smtp(source) as early:
        while not gate.events("host-banned"):
            with suppress(smtplib.SMTPException, OSError), gate.smtp(source, port=gate.ports.submission, tls=True) as client:
                client.login("alice@acme.test", "wrong")
        with suppress(smtplib.SMTPException, OSError):
            print("early", transact(early, "alice@acme.test", ["bob@dest.test"], mail("alice@acme.test")))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, str]]:
    """A gate with a past: its traffic, and when that began."""
    gate = Gate(tmp_path_factory.mktemp("past") / "home")
    gate.start()
    try:
        began = datetime.now(UTC).isoformat()
        gate.apply(ACME.format(allow="pdf, txt", limit=40))
        first = every_kind(gate)
        assert {*first} >= {250, 550, 452, 552, 554}, first
        busy = in_parallel(gate, "busy@acme.test", 60)
        assert busy.count(250) == 40
        assert busy.count(450) == 20
        gate.apply(ACME.format(allow="pdf", limit=45))
        assert send(gate, "alice@acme.test", attached("paper.txt")) == 554
        assert in_parallel(gate, "busy@acme.test", 10).count(250) == 5
        done = gate.varco("quota", "reset", "busy@acme.test", "--account", "acme", "--reason", "agreed")
        assert done.returncode == 0, done.stderr
        in_parallel(gate, "other@acme.test", 50)
        in_parallel(gate, "busy@acme.test", 10)
        ban(gate, "127.0.0.2")
        yield gate, began
    finally:
        gate.stop()


def test_an_honest_log_comes_out_the_same(log: tuple[Gate, str]) -> None:
    gate, began = log
    found = gate.json("replay", "verify", "--since", began)
    assert found["found"] == []
    assert found["differences"] == found["unreadable"] == 0
    counts = found["counts"]
    assert {*counts} == {*VOTERS, "audit"}
    for voter in VOTERS:
        assert counts[voter]["votes"] > 130
        assert counts[voter]["votes"] + counts[voter]["early"] == counts[voter]["mails"]
        assert not counts[voter]["unclear"]
