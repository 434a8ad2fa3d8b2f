"""A backup made under traffic is restored into a new home.

Queued mail is delivered, links and copies exist, and nothing arrives twice.
"""

import asyncio
import email
import poplib
import random
import re
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, trusting, wait_for
from varco_cli.stack.bus import operator
from varco_common.bus import StreamMessage
from varco_common.bus.connection import NatsConnection
from varco_common.bus.ordered_consumer import OrderedConsumer
from varco_common.bus.stream_backup import StreamBackup
from varco_common.events import MailDelivered, decode_event
from varco_common.testing.processes import free_port

KEPT = """\
account: kept
senders: ["@kept.test"]
networks: ["127.0.11.1/32"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
rules: {{max_size: 20MB, attachments: any}}
filelink: {{over: 1MB, keep: 12 months}}
archive: {{pop3: {{login: box@kept.test, password: another-secret}}, senders_told: "HR, 2026-11-02"}}
"""
WAITING = """\
account: waiting
senders: ["@waiting.test"]
networks: ["127.0.11.2/32"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
"""
PDF = b"%PDF-1.7\n" + random.Random(7).randbytes(3_000_000)
SMALL = [f"small {number}" for number in range(20)]
SENT = [*SMALL, "large", "linked", "deferred"]


@pytest.mark.timeout(600)
def test_a_restored_gate_goes_on_where_the_backup_was_made(
    own_gate: Callable[..., Gate], hop: Hop, tmp_path: Path
) -> None:
    dead, backup = free_port(), str(tmp_path / "backup.tar")
    old = own_gate(VARCO_INGRESS_INLINE="256 KB")
    old.apply(KEPT.format(port=hop.server.port))
    old.apply(WAITING.format(port=dead))
    hop.server.answer("deferred@dest.test", "451 4.3.0 not now")
    send_all(old)
    link = link_in(hop.mail_for("linked@dest.test").content)
    wait_for(lambda: len(copies(old)) == len(SENT), 60)
    (deferred,) = wait_for(lambda: old.json("queue", "list", "--account", "kept")["mails"])
    assert old.varco("queue", "hold", deferred["mail"]).returncode == 0
    signed = {name: tmp_path / name for name in ("key", "checkpoint")}
    for name, file in signed.items():
        file.write_text(old.varco("audit", name).stdout)
    with traffic(old):
        done = old.varco("backup", backup, "--with-secrets")
    assert done.returncode == 0, done.stderr
    told = events(old)
    assert old.stop() == 0

    new = Gate(tmp_path / "new" / "home", VARCO_INGRESS_INLINE="256 KB")
    new.home.path.parent.mkdir()
    done = new.varco("restore", backup)
    assert done.returncode == 0, done.stderr
    new.start()
    late = Hop(dead)
    try:
        restored = events(new)
        pairs = zip(told, restored, strict=False)
        same = next((n for n, (one, other) in enumerate(pairs) if one != other), len(restored))
        on_record = deliveries(restored[:same])
        assert len(on_record) >= len(SENT) - 1, "the events are the old gate's, up to the backup: sequence, time, bytes"
        exported = str(tmp_path / "events.jsonl")
        assert new.varco("audit", "export", exported).returncode == 0
        verify = ("audit", "verify", "--events", exported, "--checkpoint", str(signed["checkpoint"]))
        proven = new.varco(*verify, "--key", str(signed["key"]))
        assert proven.returncode == 0, proven.stdout + proven.stderr
        wait_for(lambda: downloaded(new, link) == PDF)  # a gate that just started may not reach its store yet
        assert {copy["Subject"] for copy in copies(new)} >= {*SENT}
        assert new.json("queue", "show", deferred["mail"])["held"]
        assert new.varco("queue", "release", deferred["mail"]).returncode == 0
        assert b"Subject: deferred" in hop.mail_for("deferred@dest.test").body
        assert b"Subject: waits" in late.mail_for("waits@dest.test", 60).body
        wait_for(lambda: untried(new) == 0, 60)
        came = Counter(str(email.message_from_bytes(one.content)["Subject"]) for one in hop.server.received)
        assert {subject: came[subject] for subject in SENT} == dict.fromkeys(SENT, 1)
        after = deliveries(events(new))
        assert {mail: after[mail] for mail in on_record} == dict.fromkeys(on_record, 1), "nothing comes twice"
        assert new.varco("restore", backup).returncode == 4, "never into a gate that runs"
    finally:
        late.close()
        assert new.stop() == 0
    assert new.varco("restore", backup).returncode == 4, "never over anything"


def send_all(gate: Gate) -> None:
    with gate.smtp("127.0.11.1") as client:
        for subject in SMALL:
            answered(client, "a@kept.test", "small@dest.test", mail("a@kept.test", Subject=subject))
        large = mail("a@kept.test", ("x" * 70 + "\r\n") * 10_000, Subject="large")
        answered(client, "a@kept.test", "large@dest.test", large)
        answered(client, "a@kept.test", "linked@dest.test", with_attachment())
        answered(client, "a@kept.test", "deferred@dest.test", mail("a@kept.test", Subject="deferred"))
    with gate.smtp("127.0.11.2") as client:
        answered(client, "a@waiting.test", "waits@dest.test", mail("a@waiting.test", Subject="waits"))


def answered(client: smtplib.SMTP, sender: str, recipient: str, body: bytes) -> None:
    answer = transact(client, sender, [recipient], body)
    assert answer[0] == 250, answer


def with_attachment() -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "a@kept.test", "linked@dest.test", "linked"
    made.set_content("See the file.\n")
    made.add_attachment(PDF, maintype="application", subtype="pdf", filename="large.pdf")
    return made.as_bytes().replace(b"\r\n.", b"\r\n..")


def link_in(content: bytes) -> str:
    found = re.search(rb"/files/([0-9a-f]{40}\.pdf)", content)
    assert found
    return found[1].decode()


@contextmanager
def traffic(gate: Gate) -> Iterator[None]:
    """Sends with one client until the block ends."""
    over = threading.Event()

    def send() -> None:
        with gate.smtp("127.0.11.1") as client:
            while not over.is_set():
                answered(client, "a@kept.test", "live@dest.test", mail("a@kept.test", Subject="live"))

    thread = threading.Thread(target=send)
    thread.start()
    yield
    over.set()
    thread.join()


def downloaded(gate: Gate, link: str) -> bytes:
    return httpx.get(f"http://127.0.0.1:{gate.ports.links}/files/{link}").content


def copies(gate: Gate) -> list[email.message.Message]:
    box = poplib.POP3("127.0.0.1", gate.ports.pop3, timeout=20)
    box.stls(trusting())
    box.user("box@kept.test")
    box.pass_("another-secret")
    found = [email.message_from_bytes(b"\n".join(box.retr(n)[1])) for n in range(1, box.stat()[0] + 1)]
    box.quit()
    return found


def untried(gate: Gate) -> int:
    queue = gate.json("queue", "list")
    return int(queue["untried"]) + len(queue["mails"])


def events(gate: Gate) -> list[StreamMessage]:
    """Returns EVENTS as stored: sequence, time, subject, headers and payload of each."""
    return asyncio.run(_events(gate))


async def _events(gate: Gate) -> list[StreamMessage]:
    settings = operator(gate.home, "127.0.0.1", gate.ports.nats)
    async with StreamBackup.open(settings) as vault:
        last = (await vault.contents("EVENTS")).last
    found: list[StreamMessage] = []
    async with (
        NatsConnection.open(settings, "operator") as link,
        OrderedConsumer.open(link, "EVENTS", ("events.>",), 0) as messages,
    ):
        async for message in messages:
            found.append(message._replace(pending=0))
            if message.sequence >= last:
                break
    return found


def deliveries(found: list[StreamMessage]) -> Counter[str]:
    """Returns how often each mail was delivered, according to the events."""
    told = (decode_event(message.payload) for message in found)
    return Counter(event.mail for event in told if isinstance(event, MailDelivered))
