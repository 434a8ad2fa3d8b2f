"""Strikes by real SMTP from several addresses of 127.0.0.0/8: the third bans only its host."""

import contextlib
import smtplib
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.integration.gate import Gate, mail, transact, trusting, wait_for
from varco_common.events import (
    ConnectionsRefused,
    HostBanned,
    HostFound,
    HostIgnored,
    HostUnbanned,
    RefusedConnections,
    UnbanCause,
)

CLOSED = b""
# Generous: 3 ms on an idle machine, and the machines that run this are not idle.
SOON = timedelta(milliseconds=500)


def banner(gate: Gate, source: str, port: int = 0) -> bytes:
    """Returns the first bytes of a connection from this address; empty where the gate closes it."""
    with socket.create_connection(("127.0.0.1", port or gate.ports.smtp), 20, (source, 0)) as client:
        try:
            return client.recv(100)
        except ConnectionResetError:
            return CLOSED


def wrong_password(gate: Gate, source: str, login: str = "nobody@acme.test") -> None:
    """Makes one failure. The login of smtplib would try each mechanism, and each is a strike."""
    with gate.smtp(source, tls=True) as client:
        assert client.docmd("AUTH", f"PLAIN {plain(login, 'not the password')}")[0] == 535


def plain(login: str, password: str) -> str:
    return b64encode(f"\0{login}\0{password}".encode()).decode()


def banned(gate: Gate, source: str) -> HostBanned | None:
    found = [event for event in gate.events("host-banned") if isinstance(event, HostBanned) and event.network == source]
    return found[-1] if found else None


def ban(gate: Gate, source: str, login: str = "nobody@acme.test") -> HostBanned:
    for _ in range(3):
        wrong_password(gate, source, login)
    return wait_for(lambda: banned(gate, source))


def test_the_third_strike_closes_the_door_on_every_port_before_any_banner(gate: Gate):
    host = "127.0.1.1"
    with gate.smtp(host) as client:
        assert client.docmd("AUTH PLAIN AGEAYg==")[0] == 538
    wrong_password(gate, host)
    with gate.smtp(host, tls=True) as client:
        client.login("alice@acme.test", "correct-horse")
        assert transact(client, "boss@elsewhere.test", ["a@dest.test"], mail("boss@elsewhere.test"))[0] == 550
        event = wait_for(lambda: banned(gate, host))
        assert client.getreply()[0] == 421, "an open session of a banned host ends"
    wait_for(lambda: banner(gate, host) == CLOSED)
    assert banner(gate, host, gate.ports.submission) == CLOSED
    with pytest.raises((OSError, smtplib.SMTPException)):
        smtplib.SMTP_SSL("127.0.0.1", gate.ports.smtps, context=trusting(), source_address=(host, 0), timeout=20)
    assert [strike.cause for strike in event.strikes] == [
        "insecure-channel",
        "wrong-credentials",
        "sender-not-authorised",
    ]
    assert event.at - event.strikes[-1].at < SOON
    assert banner(gate, "127.0.1.2").startswith(b"220 ")
    refused = wait_for(lambda: [one for one in gate.events("connections-refused") if one.key == host])
    assert isinstance(refused[0], ConnectionsRefused)
    assert refused[0].cause is RefusedConnections.BANNED


def test_ingress_enforces_within_100_ms_of_the_third_strike(gate: Gate):
    """Takes the best of five, so that the load of the machine counts less."""
    took = []
    for n in range(5):
        host = f"127.0.2.{n + 1}"
        wrong_password(gate, host)
        wrong_password(gate, host)
        with gate.smtp(host, tls=True) as client:
            client.putcmd("AUTH", f"PLAIN {plain('nobody@acme.test', 'wrong')}")
            assert client.getreply()[0] == 535
            began = time.perf_counter()
            while banner(gate, host) != CLOSED:
                assert time.perf_counter() - began < 20
            took.append(time.perf_counter() - began)
    assert min(took) < 0.1, took


def test_connecting_and_leaving_is_no_strike(gate: Gate):
    host = "127.0.1.3"
    for _ in range(5):
        banner(gate, host)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", gate.ports.smtps), 20, (host, 0)) as client,
        ):
            client.sendall(b"this is no TLS\r\n")
            client.recv(100)
    ban(gate, "127.0.1.4")  # whatever the first host did has been dealt with by now
    assert not [event for event in gate.events("host-found") if isinstance(event, HostFound) and event.network == host]
    assert banner(gate, host).startswith(b"220 ")


def test_a_connection_broken_off_during_auth_is_a_strike(gate: Gate):
    host = "127.0.1.5"
    for _ in range(3):
        with gate.smtp(host, tls=True) as client:
            client.docmd("AUTH LOGIN")
            client.close()
    event = wait_for(lambda: banned(gate, host))
    assert {strike.cause for strike in event.strikes} == {"broken-off"}


def test_an_operator_sees_why_lifts_and_ignores(gate: Gate):
    host = "127.0.1.6"
    ban(gate, host)
    assert host in {one["network"] for one in gate.json("bans", "list")}
    shown = gate.json("bans", "show", host)
    assert {strike["login"] for strike in shown["ban"]["evidence"]} == {"nobody@acme.test"}
    assert {(one["service"], one["enforces"]) for one in shown["enforcers"]} == {
        ("archive", True),  # its POP3
        ("console", True),
        ("ingress-smtp", True),
    }
    assert gate.varco("bans", "lift", host).returncode == 2, "a reason is wanted"
    assert gate.varco("bans", "lift", host, "--reason", "mended").returncode == 0
    wait_for(lambda: banner(gate, host).startswith(b"220 "))
    ban(gate, host)
    wait_for(lambda: banner(gate, host) == CLOSED)
    assert gate.varco("bans", "ignore", "127.0.1.6/31", "--reason", "our own scanner").returncode == 0
    wait_for(lambda: banner(gate, host).startswith(b"220 "))
    wrong_password(gate, host)
    wait_for(lambda: [e for e in gate.events("host-ignored") if isinstance(e, HostIgnored) and e.network == host])
    log = gate.varco("bans", "log", "--ip", host).stdout.splitlines()
    assert [line.rpartition("] ")[2].split()[0] for line in log] == [
        *("Found", "Found", "Found", "Ban", "Unban", "Found", "Found", "Found", "Ban", "Unban", "Ignore")
    ]
    file = (gate.home.logs / "fail2ban.log").read_text().splitlines()
    assert set(log) <= set(file)
    assert gate.varco("bans", "unignore", "127.0.1.6/31", "--reason", "tidy").returncode == 0


def test_a_sender_authorised_afterwards_ends_the_ban(gate: Gate):
    host = "127.0.1.7"
    for _ in range(3):
        with gate.smtp(host, tls=True) as client:
            client.login("alice@acme.test", "correct-horse")
            assert client.docmd("MAIL FROM:<new@fresh.test>")[0] == 550
    wait_for(lambda: banned(gate, host))
    assert gate.varco("senders", "add", "acme", "new@fresh.test").returncode == 0
    wait_for(lambda: banner(gate, host).startswith(b"220 "))
    [event] = [e for e in gate.events("host-unbanned") if isinstance(e, HostUnbanned) and e.network == host]
    assert event.cause is UnbanCause.FORGIVEN


def test_an_accounts_own_token_sees_and_lifts_its_own(gate: Gate):
    own, foreign = "127.0.1.8", "127.0.1.9"
    ban(gate, own, "alice@acme.test")
    ban(gate, foreign, "nobody@stranger.test")
    token = gate.json("tokens", "issue", "bans", "--account", "acme")["token"]
    with httpx.Client(base_url=gate.apis()["banguard"], headers={"Authorization": f"Bearer {token}"}) as mine:
        seen = {one["network"] for one in mine.get("/bans").json()}
        assert own in seen
        assert foreign not in seen
        assert foreign not in mine.get("/log").text
        assert mine.delete(f"/bans/{own}", params={"reason": "our new scanner"}).json()["banned"] is False
        assert mine.delete(f"/bans/{foreign}", params={"reason": "x"}).status_code == 404
    wait_for(lambda: banner(gate, own).startswith(b"220 "))


def test_guessing_from_many_hosts_slows_strangers_and_nobody_else(own_gate: Callable[..., Gate]):
    gate = own_gate()
    office = "127.0.3.200"
    with gate.smtp(office, tls=True) as client:
        client.login("alice@acme.test", "correct-horse")
    for n in range(10):
        wrong_password(gate, f"127.0.3.{n + 1}", "alice@acme.test")
    wait_for(lambda: gate.events("login-guarded"))
    stranger = "127.0.3.100"

    def waits(source: str, password: str) -> float:
        with gate.smtp(source, tls=True) as client:
            began = time.monotonic()
            client.docmd("AUTH", f"PLAIN {plain('alice@acme.test', password)}")
            return time.monotonic() - began

    def slowest_of_three() -> float:
        """Returns the time of the last of three, which share one attempt a second."""
        strangers = [f"127.0.3.{n}" for n in (101, 102, 103)]
        with ThreadPoolExecutor(3) as threads:
            return max(threads.map(lambda host: waits(host, "wrong"), strangers))

    wait_for(lambda: slowest_of_three() > 2.5)
    waits(stranger, "correct-horse")
    assert waits(office, "correct-horse") < 2.5
    assert waits(stranger, "correct-horse") < 2.5, "who has logged in once is no stranger"


def test_bans_survive_the_death_of_banguard_and_ingress_and_end_in_time(own_gate: Callable[..., Gate]):
    gate = own_gate()
    host = "127.0.4.1"
    assert gate.varco("bans", "rules", "bantime=20s").returncode == 0
    event = ban(gate, host)
    for process in ("banguard", "ingress-smtp"):
        old = gate.pid(process)
        gate.kill(process)
        wait_for(lambda process=process, old=old: gate.pid(process) != old and gate.ready(), 60)
        if gate.events("host-unbanned"):
            pytest.skip("the machine is so slow that the ban had ended already")
        assert banner(gate, host) == CLOSED
        assert banner(gate, "127.0.0.1").startswith(b"220 ")
    unbanned = wait_for(lambda: gate.events("host-unbanned"), 60)
    assert [type(one) for one in unbanned] == [HostUnbanned]
    assert unbanned[0].at >= event.until
    wait_for(lambda: banner(gate, host).startswith(b"220 "))


def test_loopback_is_never_banned_in_ipv6_either(tmp_path: Path, own_gate: Callable[..., Gate]):
    gate = own_gate(VARCO_BIND="::1")
    for _ in range(4):
        with smtplib.SMTP("::1", gate.ports.smtp, timeout=30) as client:
            client.ehlo("client.test")
            assert client.docmd("AUTH PLAIN AGEAYg==")[0] == 538
    wait_for(lambda: len(gate.events("auth-failed")) == 4)
    wait_for(lambda: gate.events("host-ignored"))  # once a minute
    assert gate.varco("bans", "add", "::1", "--reason", "try").returncode == 1
    assert not gate.events("host-banned", "host-found")
