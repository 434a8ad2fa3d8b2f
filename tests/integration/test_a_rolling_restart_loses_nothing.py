"""Each service is restarted under traffic, one after the other, then the bus: what was answered 250 arrives, and once."""

import smtplib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for

RECIPIENT = "rolling@dest.test"


class Sender:
    """A client as mail servers are: what isn't answered 250 is sent again, in the next connection."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.answered: set[str] = set()
        self.unsure: set[str] = set()
        self.put_off = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with self.gate.smtp() as client:
                    while not self._over.is_set():
                        self._send(client, f"rolling {number}")
                        number += 1
            except (smtplib.SMTPException, OSError):
                number += 1
                self.put_off += 1
                self._over.wait(0.05)

    def _send(self, client: smtplib.SMTP, subject: str) -> None:
        self.unsure.add(subject)
        code, text = transact(client, "a@acme.test", [RECIPIENT], mail("a@acme.test", Subject=subject))
        assert code == 250 or 400 <= code < 500, text
        if code == 250:
            self.answered.add(subject)
        self.unsure.discard(subject)
        if code >= 400:
            self.put_off += 1
            client.rset()


@pytest.mark.timeout(240)
def test_a_rolling_restart_loses_nothing(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate()
    before = {name: gate.pid(name) for name in gate.json("status")["processes"]}
    with Sender(gate) as sender:
        wait_for(lambda: len(sender.answered) > 20)
        done = gate.varco("restart", timeout=200)
        assert done.returncode == 0, done.stderr
        done = gate.varco("restart", "nats", timeout=60)
        assert done.returncode == 0, done.stderr
        count = len(sender.answered)
        wait_for(lambda: len(sender.answered) > count + 20)
    assert {name for name, pid in before.items() if gate.pid(name) == pid} == {"s3"}
    wait_for(lambda: subjects(hop).keys() >= sender.answered, 60)
    times = subjects(hop)
    assert {subject for subject in sender.answered if times[subject] != 1} == set()
    assert set(times) <= sender.answered | sender.unsure, "what was answered 4xx didn't go"


def subjects(hop: Hop) -> Counter[str]:
    lines = (line for one in hop.server.for_recipient(RECIPIENT) for line in one.body.split(b"\r\n"))
    return Counter(line[9:].decode() for line in lines if line.startswith(b"Subject: "))
