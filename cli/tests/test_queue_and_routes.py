"""Mail that waits, and routes, as an operator sees them at night."""

import asyncio
import json
import smtplib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from varco_cli.stack import Stack
from varco_common.testing.next_hop import NextHop

from .conftest import Varco

NIGHT = """\
account: night
users: [{login: joe@night.example, password: a-long-secret}]
senders: ["@night.example"]
route: {smarthost: "127.0.0.1:1", tls: none}
"""


@pytest.fixture
def night(stack: Stack, varco: Varco) -> Path:
    """An account whose next hop is dead, and one mail of it."""
    home = stack.home.path
    assert varco("apply", "-", "--yes", home=home, given=NIGHT).code == 0
    return home


def send(stack: Stack) -> str:
    """Returns the id of the mail."""
    with smtplib.SMTP("127.0.0.1", stack.ports.submission) as client:
        client.starttls()
        client.login("joe@night.example", "a-long-secret")
        client.mail("joe@night.example")
        client.rcpt("bob@partner.example")
        client.rcpt("carol@partner.example")
        _, answer = client.data("From: joe@night.example\r\nSubject: the quarterly figures\r\n\r\nHello\r\n")
        return answer.decode().split()[-1]


def until(fact: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (value := fact()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def test_the_queue_shows_what_waits_for_a_dead_route(
    stack: Stack, night: Path, varco: Varco, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = send(stack)

    def waiting() -> Any:
        answer = json.loads(varco("queue", "list", "--account", "night", "--json", home=night).out)
        return [entry for entry in answer["untried_mails"] if entry["waits_for"] and entry["mail"] == mail]

    (entry,) = until(waiting)
    assert entry["recipients"] == ["bob@partner.example", "carol@partner.example"]
    monkeypatch.setenv("COLUMNS", "80")
    lines = varco("queue", "list", "--account", "night", home=night).out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert mail in text
    assert "bob@partner.example" in text
    assert {"can't", "connect"} <= {*text.split()}
    assert "bob@partner.example" in varco("queue", "show", mail, home=night).out


def test_all_mail_of_an_account_is_held_and_released(stack: Stack, night: Path, varco: Varco) -> None:
    held = varco("queue", "hold", "--account", "night", "--reason", "stolen password", home=night)
    assert (held.code, held.out) == (0, "+ hold of all mail\n")
    assert "held by hand: stolen password" in varco("routes", "show", "night", home=night).out
    assert varco("queue", "hold", "--account", "night", home=night).out == "no difference: it is so already\n"
    assert varco("queue", "release", "--account", "night", home=night).code == 0
    assert varco("queue", "release", "--account", "night", home=night).code == 1
    assert varco("queue", "hold", home=night).code == 2
    assert varco("queue", "hold", "0" * 20, "--account", "night", home=night).code == 2


def test_a_mail_is_dropped_only_after_a_yes(night: Path, varco: Varco) -> None:
    ended = varco("queue", "drop", "0" * 20, "--reason", "a test", home=night)
    assert ended.code == 2
    assert "--yes" in ended.error
    assert varco("queue", "drop", "0" * 20, "--reason", "a test", "--yes", home=night).code == 1


def test_all_mail_of_an_account_is_dropped_before_its_first_attempt_as_well(
    stack: Stack, night: Path, varco: Varco
) -> None:
    mail = send(stack)
    assert varco("queue", "hold", "--account", "night", home=night).code == 0
    drop = ("queue", "drop", "--account", "night", "--reason", "a test", "--yes")

    def untried() -> list[str]:
        answer = json.loads(varco("queue", "list", "--account", "night", "--json", home=night).out)
        return [entry["mail"] for entry in answer["untried_mails"]]

    until(lambda: mail in untried())
    until(lambda: json.loads(varco(*drop, "--json", home=night).out)["left"] == 0)
    until(lambda: not untried())
    assert varco(*drop, home=night).out == "0 mails are dropped\n"
    assert "a test" in varco("trace", mail, home=night).out
    assert varco("queue", "release", "--account", "night", home=night).code == 0


@pytest.mark.asyncio(loop_scope="session")
async def test_a_route_is_tested(night: Path, varco: Varco, hop: NextHop) -> None:
    ended = varco("routes", "test", "night", home=night)
    assert ended.code == 1
    assert "not ready: can't connect" in ended.out
    ended = await asyncio.to_thread(varco, "routes", "test", "acme", home=night)
    assert ended.code == 0
    assert f"127.0.0.1:{hop.port} tls none: ready after" in ended.out


def test_what_is_not_named_of_a_route_stays(night: Path, varco: Varco) -> None:
    to = ("routes", "set", "night", "mx.provider.example:587")
    assert varco(*to, "--tls", "required", "--login", "night", home=night, given="s3cret\n").code == 0
    assert varco(*to, home=night).out == "no difference: it is so already\n"
    moved = varco("routes", "set", "night", "mx2.provider.example:587", home=night, given="s3cret\n")
    assert moved.out.endswith("mx2.provider.example:587 tls required as night\n")
    assert varco("routes", "set", "night", "mx3.provider.example:587", home=night).code == 2, "no password"
    assert "tls required" in varco("routes", "set", "night", "mx2.provider.example:587", "--login", "", home=night).out
    shown = json.loads(varco("routes", "show", "night", "--json", home=night).out)
    assert shown["route"] == {"smarthost": "mx2.provider.example:587", "tls": "required"}


def test_closing_an_account_says_what_it_still_has(stack: Stack, night: Path, varco: Varco) -> None:
    mail = send(stack)
    until(lambda: mail in varco("queue", "list", "--account", "night", home=night).out)
    asked = varco("accounts", "close", "night", "--reason", "a test", home=night)
    assert (asked.code, "give --yes" in asked.error) == (2, True)
    assert "mails wait for their first attempt and are still tried: --drop-queue ends them" in asked.out
    closed = varco("accounts", "close", "night", "--reason", "a test", "--drop-queue", "--yes", home=night)
    assert "mails dropped" in closed.out
    waiting = json.loads(varco("queue", "list", "--json", home=night).out)
    assert mail not in [entry["mail"] for entry in (*waiting["mails"], *waiting["untried_mails"])]
    assert "taken out of the queue by hand" in varco("trace", mail, home=night).out
