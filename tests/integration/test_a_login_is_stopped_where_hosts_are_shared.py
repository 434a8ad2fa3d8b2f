"""An office behind one address: who uses unauthorised senders is stopped, and nobody else there."""

import re
from collections.abc import Callable

from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.events import HostBanned, LoginResumed, LoginStopped, MailRefused

OFFICE, ELSEWHERE = "127.0.6.1", "127.0.6.2"
PASSWORD = "correct-horse"
STUDIO = """\
account: studio
language: en
users:
  - {login: anna@studio.test, password: correct-horse}
  - {login: mario@studio.test, password: correct-horse}
senders: ["@studio.test"]
networks: ["127.0.7.0/30"]
quotas: {time_zone: Europe/Rome}
"""
STOPPED = re.compile(
    r"4\.7\.1 Login mario@studio\.test is stopped until (\d{4}-\d\d-\d\d )?\d\d:\d\d after three unauthorised senders "
)


def send(gate: Gate, source: str, login: str, sender: str) -> tuple[int, str]:
    """Sends one mail; without TLS and a login if that is empty."""
    with gate.smtp(source, tls=bool(login)) as client:
        if login:
            client.login(login, PASSWORD)
        return transact(client, sender, ["a@dest.test"], mail(sender))


def three_unauthorised_senders(gate: Gate, source: str, login: str) -> LoginStopped:
    before = len(stops(gate))
    for _ in range(3):
        assert send(gate, source, login, "boss@elsewhere.test")[0] == 550
    wait_for(lambda: len(stops(gate)) > before)
    return stops(gate)[-1]


def stops(gate: Gate) -> list[LoginStopped]:
    return [event for event in gate.events("login-stopped") if isinstance(event, LoginStopped)]


def test_three_unauthorised_senders_stop_the_login_and_its_colleagues_go_on(own_gate: Callable[..., Gate]):
    gate = own_gate()
    gate.apply(STUDIO)
    for login in ("anna@studio.test", "mario@studio.test"):
        assert send(gate, OFFICE, login, login)[0] == 250
    three_unauthorised_senders(gate, OFFICE, "mario@studio.test")
    for sender in ("mario@studio.test", "boss@elsewhere.test"):
        code, text = wait_for(lambda sender=sender: stopped(send(gate, OFFICE, "mario@studio.test", sender)))
        assert code == 450
        assert STOPPED.match(text), text
    assert send(gate, OFFICE, "anna@studio.test", "anna@studio.test")[0] == 250
    assert send(gate, ELSEWHERE, "mario@studio.test", "mario@studio.test")[0] == 250

    shown = gate.varco("bans", "list").stdout
    assert "no host is banned" in shown
    assert "mario@studio.test" in shown
    (one,) = gate.json("bans", "stopped")
    assert (one["login"], one["network"], one["because"]) == ("mario@studio.test", OFFICE, "several-logins")
    assert gate.varco("bans", "lift", "mario@studio.test", "--reason", "mended").returncode == 0
    wait_for(lambda: send(gate, OFFICE, "mario@studio.test", "mario@studio.test")[0] == 250)
    assert "no login is stopped" in gate.varco("bans", "stopped").stdout
    (resumed,) = gate.events("login-resumed")
    assert isinstance(resumed, LoginResumed)
    log = gate.varco("bans", "log", "--ip", OFFICE).stdout.splitlines()
    assert [line.rpartition("] ")[2].split()[0] for line in log] == ["Found"] * 3
    refused = [event for event in gate.events("mail-refused") if isinstance(event, MailRefused)]
    assert "is stopped at" in "".join(vote.reason for event in refused for vote in event.votes)
    assert not gate.events("host-banned")

    for _ in range(3):
        assert send(gate, ELSEWHERE, "mario@studio.test", "boss@elsewhere.test")[0] in (550, 421)
    banned = wait_for(lambda: [event for event in gate.events("host-banned") if isinstance(event, HostBanned)])
    assert banned[0].network == ELSEWHERE, "where one login alone is used, the host is banned as a stranger's"


def stopped(answer: tuple[int, str]) -> tuple[int, str] | None:
    return answer if answer[0] == 450 else None


def test_a_printer_in_a_trusted_network_is_stopped_and_logins_beside_it_go_on(own_gate: Callable[..., Gate]):
    gate = own_gate()
    gate.apply(STUDIO)
    printer = "127.0.7.1"
    assert send(gate, printer, "", "scan@studio.test")[0] == 250
    assert three_unauthorised_senders(gate, printer, "").because == "trusted-network"
    code, text = wait_for(lambda: stopped(send(gate, printer, "", "scan@studio.test")))
    assert (code, text.startswith("4.7.1 Sending from here without a login is stopped until ")) == (450, True)
    assert send(gate, printer, "anna@studio.test", "anna@studio.test")[0] == 250
    assert send(gate, "127.0.7.2", "", "scan@studio.test")[0] == 250
    assert "studio, without a login" in gate.varco("bans", "list").stdout
    assert gate.varco("bans", "lift", printer, "--reason", "mended").returncode == 0
    wait_for(lambda: send(gate, printer, "", "scan@studio.test")[0] == 250)


def test_an_account_that_wants_the_ban_gets_it(own_gate: Callable[..., Gate]):
    gate = own_gate()
    gate.apply(STUDIO + "rules: {unauthorised_senders: ban}\n")
    for _ in range(3):
        assert send(gate, "127.0.7.1", "", "boss@elsewhere.test")[0] == 550
    wait_for(lambda: gate.events("host-banned"))
    assert not gate.events("login-stopped")
