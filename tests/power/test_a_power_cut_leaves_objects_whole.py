"""The power is cut while large mails come in: all that was answered 250 arrives whole."""

import contextlib
import random
import re
import smtplib
import threading
from email.message import EmailMessage
from email.policy import SMTP

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from tests.power.conftest import Machine
from tests.power.test_a_power_cut import other_boot

ACCOUNTS = """\
account: {account}
senders: ["@{account}.test"]
networks: ["{network}"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
rules: {{max_size: 5MB, attachments: {{allow: [pdf]}}}}
"""
SOURCES = {"large": "127.0.0.7", "heavy": "127.0.0.9"}
LINKS = "filelink: {over: 1MB, keep: 12 months}\n"
BEFORE = 4  # of each kind


def large(number: int) -> bytes:
    """2.4 MB of text, which travel by reference."""
    line = f"{number} {random.Random(number).randbytes(34).hex()}"
    return mail("anna@large.test", f"{line[:70]}\r\n" * 33_000)


def pdf(number: int) -> bytes:
    return b"%PDF-1.7\n" + random.Random(number).randbytes(2_500_000)


def heavy(number: int) -> bytes:
    """A mail whose attachment becomes a link."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "anna@heavy.test", "bob@dest.test", "the plans"
    message.set_content("Here they are.\n")
    message.add_attachment(pdf(number), maintype="application", subtype="pdf", filename="plans.pdf")
    return message.as_bytes().replace(b"\r\n.", b"\r\n..")


class Load:
    """A connection that sends mails of one kind until it is told to stop."""

    def __init__(self, gate: Gate, kind: str) -> None:
        self.accepted: list[int] = []
        self._gate, self._kind, self._stop = gate, kind, threading.Event()
        self._thread = threading.Thread(target=self._send)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        number = 0
        make = {"large": large, "heavy": heavy}[self._kind]
        while not self._stop.is_set():
            number += 1
            recipient = f"{self._kind}-{number}@dest.test"
            with (
                contextlib.suppress(OSError, smtplib.SMTPException),
                self._gate.smtp(SOURCES[self._kind]) as client,
            ):
                code, _ = transact(client, f"anna@{self._kind}.test", [recipient], make(number))
                if code == 250:
                    self.accepted.append(number)


@pytest.mark.timeout(400)
def test_what_was_acknowledged_is_there_and_whole(machine: Machine, hop: Hop) -> None:
    gate = machine.gate
    gate.start()
    for account, network in SOURCES.items():
        document = ACCOUNTS.format(account=account, network=f"{network}/32", port=hop.server.port)
        gate.apply(document + (LINKS if account == "heavy" else ""))
    loads = {kind: Load(gate, kind) for kind in SOURCES}

    for load in loads.values():
        load.start()
    wait_for(lambda: all(len(load.accepted) >= BEFORE for load in loads.values()), 120)
    machine.cut_power()
    for load in loads.values():
        load.stop()
    machine.power_on()
    other_boot(machine.disk.path)
    gate.start()

    for number in loads["large"].accepted:
        received = hop.mail_for(f"large-{number}@dest.test", 120)
        assert received.content.endswith(large(number).partition(b"\r\n\r\n")[2])
    for number in loads["heavy"].accepted:
        received = hop.mail_for(f"heavy-{number}@dest.test", 120)
        [url] = re.findall(rb"http://[\w.:]+/files/[0-9a-f]{40}\.pdf", received.content)
        assert httpx.get(url.decode()).content == pdf(number)
    assert gate.stop() == 0
