"""`varco routes set` changes what is named and keeps the rest."""

import json
from collections.abc import Callable
from pathlib import Path
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


OAUTH = f"""\
account: routed
route:
  smarthost: {HOST}
  tls: required
  login: gate@provider.example
  oauth: {{provider: microsoft, tenant: acme.example, client_id: gate, client_secret_file: secret.txt}}
"""


def test_oauth_comes_from_an_account_file_and_stays(stack: Stack, varco: Varco, account: str, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(OAUTH)
    (tmp_path / "secret.txt").write_text("s3cret")
    applied = varco("apply", str(tmp_path / "acme.yaml"), "--yes", home=stack.home.path)
    assert applied.code == 0, applied.error
    assert "by token (microsoft)" in applied.out
    shown = varco("show", account, home=stack.home.path).out
    assert "tenant: acme.example" in shown
    (tmp_path / "shown.yaml").write_text(shown)
    again = varco("apply", str(tmp_path / "shown.yaml"), "--yes", "--dry-run", "--json", home=stack.home.path)
    assert json.loads(again.out)["changes"] == []
    kept = varco("routes", "set", account, HOST, home=stack.home.path)
    assert kept.code == 0, kept.error
    assert "oauth" in route(stack, varco, account)
    refused = varco("routes", "set", account, OTHER, home=stack.home.path)
    assert (refused.code, "by token" in refused.error) == (2, True)
    checked = varco("routes", "check", account, home=stack.home.path)
    assert checked.code == 1
    assert "FAILED  dns" in checked.out
    assert "what to do: the name does not exist" in checked.out
    assert "s3cret" not in applied.out + shown + checked.out
