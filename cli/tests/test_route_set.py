"""`varco routes set` changes what is named and keeps the rest."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from varco_cli.stack import Stack

Varco = Callable[..., Any]
HOST, OTHER = "mx.provider.example:587", "mx2.provider.example:25"


@pytest.fixture
def account(stack: Stack, varco: Varco) -> str:
    """An account whose route has TLS and a login."""
    varco("accounts", "open", "routed", home=stack.home.path)
    options = ("--tls", "required", "--login", "gate@provider.example")
    done = varco("routes", "set", "routed", HOST, *options, home=stack.home.path, given="a-long-secret\n")
    assert done.code == 0, done.error
    return "routed"


def route(stack: Stack, varco: Varco, account: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads(varco("routes", "show", account, "--json", home=stack.home.path).out)["route"]
    return answer


def test_tls_stays_and_a_new_host_needs_the_password(stack: Stack, varco: Varco, account: str) -> None:
    refused = varco("routes", "set", account, OTHER, home=stack.home.path)
    assert (refused.code, "needs its password on standard input" in refused.error) == (2, True)
    done = varco("routes", "set", account, OTHER, home=stack.home.path, given="a-long-secret\n")
    assert done.code == 0, done.error
    expected = {"smarthost": OTHER, "tls": "required", "login": "gate@provider.example"}
    assert route(stack, varco, account) == expected


def test_the_login_stays_when_tls_changes(stack: Stack, varco: Varco, account: str) -> None:
    done = varco("routes", "set", account, HOST, "--tls", "opportunistic", home=stack.home.path)
    assert done.code == 0, done.error
    expected = {"smarthost": HOST, "tls": "opportunistic", "login": "gate@provider.example"}
    assert route(stack, varco, account) == expected


def test_an_empty_login_removes_it(stack: Stack, varco: Varco, account: str) -> None:
    assert varco("routes", "set", account, OTHER, "--login", "", home=stack.home.path).code == 0
    assert route(stack, varco, account) == {"smarthost": OTHER, "tls": "required"}
