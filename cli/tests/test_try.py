"""`varco try recipients` finds the number at which a server stops, and sends nothing."""

import asyncio
import json

import pytest

from varco_cli.stack import Stack
from varco_common.testing.next_hop import DROP, NextHop, next_hop

from .conftest import Ended, Varco

LIMIT = 5
TOO_MANY = "452 4.5.3 Too many recipients"


async def ask(varco: Varco, hop: NextHop, *options: str) -> Ended:
    return await asyncio.to_thread(varco, "try", "recipients", f"127.0.0.1:{hop.port}", *options)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_number_at_which_the_server_stopped_is_told_with_its_words(varco: Varco) -> None:
    async with next_hop() as hop:
        hop.answer("blackhole-006@blackhole.example", TOO_MANY)
        asked = await ask(varco, hop)
        assert (asked.code, asked.out) == (0, f"5 recipients taken; number 6 refused: {TOO_MANY}\n")
        assert not hop.received
        assert "DATA" not in hop.commands
        assert [command.upper() for command in hop.commands[-2:]] == ["RSET", "QUIT"]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_server_that_takes_all_is_asked_no_further(varco: Varco) -> None:
    async with next_hop() as hop:
        asked = await ask(varco, hop, "--max", "7", "--json")
        answer = {"server": f"127.0.0.1:{hop.port}", "asked": 7, "taken": 7, "code": 0, "answer": ""}
        assert json.loads(asked.out) == answer
        assert sum(command.upper().startswith("RCPT") for command in hop.commands) == 7


@pytest.mark.asyncio(loop_scope="session")
async def test_a_server_that_takes_none_is_a_failure_that_says_what_to_try(varco: Varco) -> None:
    async with next_hop() as hop:
        hop.answer("blackhole-001@blackhole.example", "550 5.7.1 Relaying denied")
        asked = await ask(varco, hop)
        assert (asked.code, "550 5.7.1 Relaying denied" in asked.out) == (1, True)
        assert "--user" in asked.error


@pytest.mark.asyncio(loop_scope="session")
async def test_a_connection_that_breaks_off_is_said(varco: Varco) -> None:
    async with next_hop() as hop:
        hop.answer("blackhole-003@blackhole.example", DROP)
        asked = await ask(varco, hop)
        assert asked.code == 3
        assert f"127.0.0.1:{hop.port}: " in asked.error


@pytest.mark.asyncio(loop_scope="session")
async def test_the_limit_of_an_account_is_found_over_tls_with_a_login(varco: Varco, stack: Stack) -> None:
    account = {
        "users": [{"login": "bob@limited.example", "password": "a-long-secret"}],
        "senders": ["@limited.example"],
        "rules": {"max_recipients": LIMIT},
    }
    async with stack.client("policy") as policy:
        (await policy.put("/accounts/limited", json=account)).raise_for_status()
    server = f"localhost:{stack.ports.submission}"
    options = ("--tls", "--ca", str(stack.home.certificate), "--user", "bob@limited.example", "--password-stdin")
    asked = await asyncio.to_thread(varco, "try", "recipients", server, *options, given="a-long-secret\n")
    assert asked.out.startswith(f"{LIMIT} recipients taken; number {LIMIT + 1} refused: 452 4.5.3 "), asked.error


@pytest.mark.asyncio(loop_scope="session")
async def test_a_certificate_of_nobody_is_not_trusted(varco: Varco, stack: Stack) -> None:
    asked = await asyncio.to_thread(varco, "try", "recipients", f"localhost:{stack.ports.submission}", "--tls")
    assert (asked.code, "give --ca" in asked.error) == (1, True)


def test_a_password_never_travels_readable(varco: Varco) -> None:
    asked = varco("try", "recipients", "127.0.0.1:1", "--user", "alice", "--password-stdin", given="secret\n")
    assert (asked.code, "needs --tls" in asked.error) == (2, True)


@pytest.mark.parametrize("server", ["", ":25", "host:smtp", "host:0", "host:99999"])
def test_what_is_no_server_is_said(varco: Varco, server: str) -> None:
    asked = varco("try", "recipients", server)
    assert (asked.code, "smtp.acme.example:587" in asked.error) == (2, True)


def test_a_list_of_addresses_is_printed_without_starting_a_gate(varco: Varco) -> None:
    lines = varco("demo", "recipients").out.splitlines()
    assert len({*lines}) == 300
    assert (lines[0], lines[-1]) == ("blackhole-001@blackhole.example", "blackhole-300@blackhole.example")
    assert json.loads(varco("demo", "recipients", "--count", "1", "--domain", "a.example", "--json").out) == [
        "blackhole-1@a.example"
    ]
