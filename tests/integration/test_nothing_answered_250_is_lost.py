"""Each process is killed with -9 under traffic. Every mail answered 250 is at the next hop."""

import contextlib
import smtplib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, alive, mail, transact, wait_for

SENDERS = 4


class Traffic:
    """Clients that send until `stop`, and record what was answered 250 and what is in doubt."""

    def __init__(self, gate: Gate, tag: str, size: int = 2_000) -> None:
        self.gate, self.tag, self.size = gate, tag, size
        self.accepted: list[str] = []
        self.doubtful: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Waits until as many more mails were accepted."""
        goal = len(self.accepted) + count
        wait_for(lambda: len(self.accepted) >= goal, 60)

    def _send(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException), self.gate.smtp() as client:
                while not self._stop.is_set():
                    count += 1
                    self._one(client, f"{self.tag}-{number}-{count}@dest.test")
            self._stop.wait(0.05)

    def _one(self, client: smtplib.SMTP, recipient: str) -> None:
        try:
            client.sendmail(
                "alice@acme.test", [recipient], mail("alice@acme.test", "z" * 70 + "\r\n" * (self.size // 72))
            )
            self.accepted.append(recipient)
        except smtplib.SMTPResponseException as refusal:
            if refusal.smtp_code not in (421, 451):
                raise AssertionError(f"{recipient}: {refusal}") from refusal
            self._stop.wait(0.02)
        except (OSError, smtplib.SMTPServerDisconnected):
            self.doubtful.append(recipient)
            raise


@pytest.mark.timeout(180)
@pytest.mark.parametrize("process", ["ingress-smtp", "policy", "relay", "nats"])
def test_killing_it_loses_nothing(own_gate: Callable[..., Gate], hop: Hop, process: str) -> None:
    gate = own_gate()
    with Traffic(gate, f"kill-{process}") as traffic:
        for _ in range(3):
            traffic.more(30)
            gate.kill(process)
        traffic.more(30)
    came = Counter[str]()

    def missing() -> set[str]:
        came.clear()
        came.update(recipient for received in [*hop.server.received] for recipient in received.recipients)
        return set(traffic.accepted) - set(came)

    wait_for(lambda: not missing(), 60)
    twice = {recipient for recipient, times in came.items() if times > 1 and recipient.startswith(f"kill-{process}-")}
    if process == "relay":
        assert len(twice) <= 3 * 64, "only what was under way when relay died may come twice"
    else:
        assert not twice - set(traffic.doubtful), "no 250 was given for a mail that came twice"


def test_killing_the_supervisor_leaves_no_process_behind(own_gate: Callable[..., Gate]) -> None:
    gate = own_gate()
    pids = [int(file.read_text().split()[0]) for file in gate.home.pid_file("x").parent.glob("*.pid")]
    assert gate.supervisor
    gate.supervisor.kill()
    gate.supervisor.wait()
    wait_for(lambda: not any(alive(pid) for pid in pids))


def test_a_silent_voter_means_try_again(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate(VARCO_INGRESS_VOTERS="policy,nobody")
    with gate.smtp() as client, pytest.raises(smtplib.SMTPDataError) as caught:
        client.sendmail("alice@acme.test", ["silent@dest.test"], mail("alice@acme.test"))
    assert caught.value.smtp_code == 451
    assert caught.value.smtp_error.startswith(b"4.3.0")
    assert not hop.server.for_recipient("silent@dest.test")


def test_a_full_store_takes_nothing_and_loses_nothing(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate(VARCO_NATS_MAIL_MAX_BYTES="200KB")
    accepted: list[str] = []
    with gate.smtp() as client:
        for number in range(200):
            recipient = f"full-{number}@dest.test"
            code, text = transact(
                client, "alice@acme.test", [recipient], mail("alice@acme.test", ("f" * 70 + "\r\n") * 100)
            )
            if code != 250:
                break
            accepted.append(recipient)
    assert (code, text[:5]) == (452, "4.3.1")
    assert accepted
    for recipient in accepted:
        hop.mail_for(recipient)


def test_the_second_start_goes_on_with_the_same_state(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate()
    assert gate.stop() == 0
    gate.start()
    with gate.smtp() as client:
        client.sendmail("alice@acme.test", ["again@dest.test"], mail("alice@acme.test"))
    assert hop.mail_for("again@dest.test").sender == "alice@acme.test"
