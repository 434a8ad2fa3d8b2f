"""Bans in the console: an owner sees and lifts what their own people caused, an operator all."""

import smtplib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.console_people import People, send_form
from tests.integration.gate import Gate, wait_for
from varco_common.events import HostBanned, HostUnbanned

HOST = "127.0.2.61"


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


def wrong_passwords(gate: Gate, host: str, login: str) -> None:
    text = b64encode(f"\0{login}\0wrong".encode()).decode()
    for _ in range(3):
        with gate.smtp(host, tls=True) as client:
            assert client.docmd("AUTH", f"PLAIN {text}")[0] == 535


@contextmanager
def banned(gate: Gate, host: str, login: str) -> Iterator[None]:
    wrong_passwords(gate, host, login)
    wait_for(lambda: host in [event.network for event in gate.events("host-banned") if isinstance(event, HostBanned)])
    yield
    gate.varco("bans", "lift", host, "--reason", "the test is over")


def refused(gate: Gate, host: str) -> bool:
    try:
        with gate.smtp(host):
            return False
    except (OSError, smtplib.SMTPException):
        return True


def shown(browser: httpx.Client, host: str) -> bool:
    return host in browser.get("/bans.csv").text


def test_an_owner_lifts_the_ban_that_their_own_user_caused(gate: Gate, people: People) -> None:
    with banned(gate, HOST, "alice@acme.test"), people.signed_in("owner") as browser:
        wait_for(lambda: shown(browser, HOST))
        wait_for(lambda: refused(gate, HOST))
        page = browser.get("/bans", params={"host": HOST, "what": "alice@"}).text
        assert "wrong login or password" in page
        assert f"Ban {HOST}" in page, "the ban log"
        assert "refuses it" in page, "where it is enforced"
        assert send_form(browser, "/bans", "/bans/lift", network=HOST).status_code == 422
        answer = send_form(browser, "/bans", "/bans/lift", network=HOST, reason="new phone")
        assert "done=lifted" in answer.headers["location"]
        wait_for(lambda: not refused(gate, HOST))
    ends = [event for event in gate.events("host-unbanned") if isinstance(event, HostUnbanned)]
    assert [(event.by, event.reason) for event in ends if event.network == HOST] == [("person:owner", "new phone")]


def test_an_operator_ignores_a_network_and_counts_it_again(gate: Gate, people: People) -> None:
    host = "127.0.2.62"
    with banned(gate, host, "nobody@nowhere.test"), people.signed_in("operator") as browser:
        wait_for(lambda: shown(browser, host))
        with people.signed_in("owner") as owner:
            assert not shown(owner, host), "it is no business of the account"
        answer = send_form(browser, "/bans", "/bans/ignore", network=f"{host}/32", reason="the office")
        assert "done=ignored" in answer.headers["location"]
        wait_for(lambda: not shown(browser, host))
        assert "the office" in browser.get("/bans").text
        answer = send_form(browser, "/bans", "/bans/unignore", network=host, reason="moved out")
        assert "done=unignored" in answer.headers["location"]
        assert "the office" not in browser.get("/bans").text


def test_an_operator_bans_by_hand_and_an_owner_does_not(gate: Gate, people: People) -> None:
    host = "127.0.2.63"
    with people.signed_in("owner") as owner, people.signed_in("operator") as browser:
        assert send_form(owner, "/bans", "/bans", network=host, reason="scans").status_code == 403
        assert send_form(browser, "/bans", "/bans", network=host, reason="scans").status_code == 303
        assert "operator: scans" in browser.get("/bans").text
        answer = send_form(browser, "/bans", "/bans/lift", network=host, reason="a test")
        assert "done=lifted" in answer.headers["location"]
