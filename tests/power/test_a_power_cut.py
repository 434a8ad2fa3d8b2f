"""The power is cut: the gate starts by itself, has every mail, and no sender passes its quota."""

import contextlib
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import ACME, Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from tests.power.conftest import Machine

SENDER, CONNECTIONS, LIMIT, BEFORE = "alice@acme.test", 4, 120, 40


class Load:
    """Connections that send until they are told to stop, or are over the quota."""

    def __init__(self, gate: Gate, tag: str) -> None:
        self.accepted: list[str] = []
        self._gate, self._tag, self._stop = gate, tag, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CONNECTIONS)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self.wait()

    def wait(self) -> None:
        """Until every connection was refused, or was told to stop."""
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException), self._gate.smtp() as client:
                while not self._stop.is_set():
                    count += 1
                    recipient = f"{self._tag}-{number}-{count}@dest.test"
                    code, _ = transact(client, SENDER, [recipient], mail(SENDER, "z" * 70 + "\r\n"))
                    if code == 250:
                        self.accepted.append(recipient)
                    elif code == 450:
                        return
                    else:
                        client.rset()
            self._stop.wait(0.05)


@pytest.mark.timeout(240)
def test_under_load_loses_no_mail_and_lets_no_more_pass_than_was_allowed(machine: Machine, hop: Hop) -> None:
    gate = machine.gate
    gate.start()
    gate.apply(ACME.format(port=hop.server.port))
    done = gate.varco("quota", "set", "acme", f"messages={LIMIT}", "--reason", "the test")
    assert done.returncode == 0, done.stderr
    before, keys = Load(gate, "before"), secrets(machine.disk.path)

    with before.running():
        wait_for(lambda: len(before.accepted) >= BEFORE, 60)
        machine.cut_power()
    machine.power_on()
    other_boot(machine.disk.path)
    gate.start()

    assert secrets(machine.disk.path) == keys
    after = Load(gate, "after")
    with after.running():
        after.wait()
    accepted = {*before.accepted, *after.accepted}
    wait_for(lambda: accepted <= recipients(hop), 60)
    assert len(accepted) <= len(recipients(hop)) <= LIMIT
    assert after.accepted, "the quota was used up by the cut"


@pytest.mark.timeout(240)
def test_in_the_first_seconds_of_a_new_gate_leaves_one_that_starts(machine: Machine) -> None:
    """Right after the first files were written, when what was not synced is empty."""
    gate = machine.gate
    gate.launch()
    wait_for((machine.disk.path / "nats.conf").exists, 60)
    keys = secrets(machine.disk.path)
    machine.cut_power()
    machine.power_on()

    gate.start()

    kept = secrets(machine.disk.path)
    assert {name: kept.get(name) for name in keys} == keys


def other_boot(home: Path) -> None:
    """The machine keeps running here, and so its boot id, by which ratelimit knows a power cut."""
    file = home / "ratelimit" / "0" / "identity"
    file.write_text(f"{file.read_text().split()[0]} another-boot\n")


def recipients(hop: Hop) -> set[str]:
    return {recipient for received in [*hop.server.received] for recipient in received.recipients}


def secrets(home: Path) -> dict[str, bytes]:
    """Their content by name; what is just being written is left out."""
    return {path.name: path.read_bytes() for path in (home / "secrets").iterdir() if not path.name.startswith(".")}
