"""Whose a mistyped login is: its domain says so, or the name that the client connected to.

Real SMTP and POP3 sessions inside TLS, with the host names of two accounts as SNI.
"""

import contextlib
import poplib
import smtplib
import socket
from base64 import b64encode
from typing import Any

import httpx

from tests.integration.gate import Gate, trusting, wait_for
from varco_common.events import HostFound

TWO = {
    name: f"""\
account: {name}
language: en
hosts: [smtp.{name}.test]
users:
  - {{login: anna@{name}.test, password: correct-horse}}
  - {{login: desk-{name}, password: correct-horse}}
senders: ["@{name}.test"]
"""
    for name in ("rosa", "nero")
}


def guess(gate: Gate, host: str, login: str, server_name: str) -> str:
    """One wrong password by SMTP; the answer."""
    client = smtplib.SMTP_SSL(context=trusting(), timeout=60, source_address=(host, 0))
    client._host = server_name or None  # smtplib sends as SNI what it connects to
    with contextlib.closing(client):
        client.connect("127.0.0.1", gate.ports.smtps)
        client.ehlo("client.test")
        code, text = client.docmd("AUTH", f"PLAIN {b64encode(f'{chr(0)}{login}{chr(0)}wrong'.encode()).decode()}")
        return f"{code} {text.decode()}"


def guess_by_pop3(gate: Gate, host: str, login: str, server_name: str) -> None:
    class Named(poplib.POP3_SSL):
        def _create_socket(self, timeout):
            plain = socket.create_connection(("127.0.0.1", self.port), timeout, (host, 0))
            return self.context.wrap_socket(plain, server_hostname=server_name)

    with contextlib.closing(Named("127.0.0.1", gate.ports.pop3s, context=trusting(), timeout=60)) as client:
        client.user(login)
        with contextlib.suppress(poplib.error_proto):
            client.pass_("wrong")
            raise AssertionError("it was taken")


def found(gate: Gate, host: str, count: int) -> list[HostFound]:
    def enough() -> list[HostFound]:
        events = [event for event in gate.events("host-found") if isinstance(event, HostFound)]
        mine = [event for event in events if event.network == host]
        return mine if len(mine) >= count else []

    return wait_for(enough, 60)


class Customer:
    """What one account's token sees of a host."""

    def __init__(self, gate: Gate, account: str) -> None:
        self._gate = gate
        self._token = gate.json("tokens", "issue", "test", "--account", account)["token"]

    def get(self, service: str, path: str, **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.get(f"{self._gate.apis()[service]}{path}", params=parameters, headers=headers, timeout=60)

    def bans(self) -> dict[str, Any]:
        return {ban["network"]: ban for ban in self.get("banguard", "/bans").json()}

    def log(self, host: str) -> list[str]:
        lines = self.get("banguard", "/log", ip=host).text.splitlines()
        return [line.rpartition("] ")[2].split()[0] for line in lines]

    def events(self, host: str) -> list[dict[str, Any]]:
        return list(self.get("audit", "/events", host=host).json()["events"])

    def sees(self, host: str) -> bool:
        return bool(host in self.bans() or self.log(host) or self.events(host))


def test_the_customer_sees_failed_logins_and_the_ban_of_its_own_client(own_gate):
    gate = own_gate()
    for document in TWO.values():
        gate.apply(document)
    rosa, nero = Customer(gate, "rosa"), Customer(gate, "nero")
    # each from a host of its own: the login, the name that was connected to, and who sees it
    cases = [
        ("127.0.8.1", "ana@rosa.test", "", rosa),  # its domain
        ("127.0.8.2", "ana@rosa.test", "smtp.nero.test", rosa),  # the domain weighs more
        ("127.0.8.3", "ana", "smtp.nero.test", nero),
        ("127.0.8.4", "anna@rosa.test", "smtp.nero.test", rosa),  # a login that exists
        ("127.0.8.5", "desk-rosa", "smtp.nero.test", rosa),
        ("127.0.8.6", "ana", "", None),
    ]
    for host, login, server_name, _ in cases:
        answers = {guess(gate, host, login, server_name) for _ in range(3)}
        assert answers == {guess(gate, "127.0.0.1", "nobody@nowhere.test", "")}, "the answer tells nothing"
    for host, login, _, customer in cases:
        strikes = [event.strike for event in found(gate, host, 3)]
        assert {strike.login for strike in strikes} == {login}
        wait_for(lambda host=host: host in {ban["network"] for ban in gate.json("bans", "list")}, 60)
        for other in {rosa, nero} - {customer}:
            assert not other.sees(host), (host, login)
        if not customer:
            continue
        evidence = wait_for(lambda host=host, customer=customer: customer.bans().get(host), 60)["evidence"]
        assert [strike["login"] for strike in evidence] == [login] * 3
        wait_for(lambda host=host, customer=customer: customer.log(host) == [*["Found"] * 3, "Ban"], 60)
        wait_for(
            lambda host=host, customer=customer: _facts(customer.events(host)) >= {"host-found", "host-banned"}, 60
        )

    # A name proves nothing: who has it sees the ban, and an operator lifts it.
    lifted = _lift(gate, nero, "127.0.8.3")
    assert lifted["banned"] is True
    assert "127.0.8.3" in nero.bans()
    assert _lift(gate, rosa, "127.0.8.1")["banned"] is False


def test_pop3_logins_are_told_apart_in_the_same_way(own_gate):
    gate = own_gate()
    for document in TWO.values():
        gate.apply(document)
    rosa, nero = Customer(gate, "rosa"), Customer(gate, "nero")
    for login in ("ana", "copies@nero.test"):
        guess_by_pop3(gate, "127.0.8.9", login, "smtp.rosa.test")
    by_name, by_domain = [event.strike for event in found(gate, "127.0.8.9", 2)]
    assert (by_name.login, by_name.accounts, by_name.seen_by) == ("ana", (), ("rosa",))
    assert (by_domain.login, by_domain.accounts, by_domain.seen_by) == ("copies@nero.test", ("nero",), ())
    for customer, login in ((rosa, "ana"), (nero, "copies@nero.test")):
        seen = customer.get("banguard", "/bans/127.0.8.9").json()["strikes"]
        assert [strike["login"] for strike in seen] == [login]


def _facts(events: list[dict[str, Any]]) -> set[str]:
    return {event["subject"].split(".")[2] for event in events}


def _lift(gate: Gate, customer: Customer, host: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {customer._token}"}
    answer = httpx.delete(
        f"{gate.apis()['banguard']}/bans/{host}", params={"reason": "mended"}, headers=headers, timeout=60
    )
    return dict(answer.json())
