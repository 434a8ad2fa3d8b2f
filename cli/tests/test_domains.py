"""`varco domains` on a running stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from varco_cli.stack import Stack
from varco_common.testing.waiting import eventually


@pytest.fixture
def run(stack: Stack, varco: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *words: varco("domains", *words, home=stack.home.path)


async def test_a_domain_in_use_is_listed_as_vouched_for(run: Callable[..., Any]) -> None:
    def listed() -> bool:
        domains = json.loads(run("list", "acme", "--json").out)
        return any(entry["domain"] == "acme.example" and entry["status"] == "vouched" for entry in domains)

    assert await eventually(listed)
    assert "in use: senders are authorised under it" in run("list").out


def test_a_new_domain_comes_with_its_record(run: Callable[..., Any]) -> None:
    added = run("add", "acme", "new.example")
    value = json.loads(run("show", "acme", "new.example", "--json").out)["record"]["value"]
    assert added.out.splitlines()[0] == "+ domain new.example"
    assert f'_varco.new.example. TXT "{value}"' in added.out
    checked = run("check", "acme", "new.example")
    assert (checked.code, "cannot tell now: TXT of _varco.new.example" in checked.out) == (1, True)
    assert run("vouch", "acme", "new.example").code == 2
    assert (
        run("vouch", "acme", "new.example", "--reason", "contract").out
        == "~ domain new.example vouched for: contract\n"
    )
    assert run("remove", "acme", "new.example").out == "- domain new.example\n"
    assert run("show", "acme", "new.example").code == 1


def test_an_account_that_is_not_open_has_no_domains(run: Callable[..., Any]) -> None:
    answer = run("add", "nobody", "new.example")
    assert answer.code == 1, answer.error
