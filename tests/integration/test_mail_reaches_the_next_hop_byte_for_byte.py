"""The next hop gets what the client sent, after the fields that the gate adds."""

import os
from pathlib import Path

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact

BODIES = {
    "empty": b"",
    "dots": b"...\r\n..\r\n.. three\r\n..hidden\r\n",
    "8-bit": "perché no? — è già così\r\n".encode(),
    "latin-1": "perché\r\n".encode("latin-1"),
    "long lines": b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n",
    "no blank at the end": b"\r\n\r\n\r\n",
    "over the inline limit": b"".join(b"%076x\r\n" % n for n in range(15_000)),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_body_is_the_same_at_both_ends(gate: Gate, hop: Hop, name: str) -> None:
    recipient = f"{name.replace(' ', '-')}@dest.test"
    sent = mail("alice@acme.test", To=recipient) + BODIES[name]
    with gate.smtp() as client:
        code, answer = transact(client, "alice@acme.test", [recipient], sent, "BODY=8BITMIME")
    assert code == 250, answer
    received = hop.mail_for(recipient).body
    assert received.endswith(sent)
    added = received[: -len(sent)].decode()
    assert answer.split()[-1] in added, "the Received line names the mail id that the client heard"
    assert {line.split(":")[0] for line in added.splitlines() if line[:1].strip()} == {"Received", "Date", "Message-ID"}


def test_blind_recipients_get_the_mail_and_stay_blind(gate: Gate, hop: Hop) -> None:
    sent = mail("alice@acme.test", Bcc="blind@dest.test")
    with gate.smtp() as client:
        code, answer = transact(client, "alice@acme.test", ["seen@dest.test", "blind@dest.test"], sent)
    assert code == 250, answer
    received = hop.mail_for("blind@dest.test")
    assert received.recipients == ("seen@dest.test", "blind@dest.test")
    assert b"blind@dest.test" not in received.body.partition(b"\r\n\r\n")[0]


def test_international_addresses_go_through(gate: Gate, hop: Hop) -> None:
    sent = mail("alice@acme.test", To="usuário@dest.test")
    with gate.smtp() as client:
        client.user_encode = "utf-8"
        client.command_encoding = "utf-8"
        code, answer = transact(client, "alice@acme.test", ["usuário@dest.test"], sent, "SMTPUTF8 BODY=8BITMIME")
    assert code == 250, answer
    assert "SMTPUTF8" in hop.mail_for("usuário@dest.test").parameters


def test_a_plain_mail_asks_nothing_special_of_the_next_hop(gate: Gate, hop: Hop) -> None:
    with gate.smtp() as client:
        assert transact(client, "alice@acme.test", ["plain@dest.test"], mail("alice@acme.test"))[0] == 250
    assert not {"SMTPUTF8", "BODY=8BITMIME"} & hop.mail_for("plain@dest.test").parameters


def test_a_mail_of_100_megabytes_goes_through_in_bounded_memory(gate: Gate, hop: Hop) -> None:
    gate.apply("account: acme\nrules: {max_size: 120MB}\n")
    before = {name: _resident(gate.pid(name)) for name in ("ingress-smtp", "relay")}
    line = os.urandom(38).hex().encode() + b"\r\n"
    sent = mail("alice@acme.test") + line * (100_000_000 // len(line))
    with gate.smtp() as client:
        client.timeout = 120
        code, answer = transact(client, "alice@acme.test", ["hundred-megabytes@dest.test"], sent)
    assert code == 250, answer
    assert hop.mail_for("hundred-megabytes@dest.test", 90).body.endswith(sent)
    for name, idle in before.items():
        assert _peak(gate.pid(name)) - idle < 64 * 1024, name
    gate.apply("account: acme\nrules: {max_size: 2MB}\n")


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS")


def _peak(pid: int) -> int:
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int:
    """Returns a size in KiB from /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
