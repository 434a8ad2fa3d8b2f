"""The commands over a real stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from varco_cli.stack import Stack

SHOP = """\
account: shop
language: it
hosts: [smtp.shop.example]
users:
  - {login: till@shop.example, password: a-long-secret}
senders: ["@shop.example", "sales@partner.example"]
networks: ["192.0.2.0/28"]
route: {smarthost: "mx.provider.example:25", tls: required}
rules:
  max_size: 20MB
  max_recipients: 100
  attachments: {allow: [pdf, txt]}
filelink: off
"""


def test_an_account_file_is_shown_as_it_was_applied(stack: Stack, varco: Callable[..., Any]) -> None:
    home = stack.home.path
    applied = varco("apply", "-f", "-", "--yes", home=home, given=SHOP)
    assert applied.code == 0
    assert "+ sender sales@partner.example" in applied.out
    again = varco("apply", "-f", "-", "--yes", home=home, given=SHOP)
    assert (again.code, again.out) == (0, "no difference: it is so already\n")
    shown = varco("show", "shop", home=home)
    assert "a-long-secret" not in shown.out
    round_trip = varco("apply", "-f", "-", home=home, given=shown.out)
    assert (round_trip.code, round_trip.out) == (0, "no difference: it is so already\n")


def test_what_is_left_out_is_left_as_it_is(stack: Stack, varco: Callable[..., Any]) -> None:
    home = stack.home.path
    varco(
        "apply", "-f", "-", "--yes", home=home, given=SHOP.replace("shop", "left").replace("192.0.2.0", "198.51.100.0")
    )
    less = varco("apply", "-f", "-", "--yes", home=home, given="account: left\nrules: {max_recipients: 7}\n")
    assert less.out == "~ rules max_recipients: 100 -> 7\napplied to account left\n"
    shown = json.loads(varco("show", "left", "--json", home=home).out)
    assert shown["rules"]["max_size"] == "20MB"
    assert shown["route"] == {"smarthost": "mx.provider.example:25", "tls": "required", "login": None, "oauth": None}


def test_nothing_is_applied_where_nobody_can_be_asked(stack: Stack, varco: Callable[..., Any]) -> None:
    home = stack.home.path
    assert varco("apply", "-f", "-", home=home, given="account: nobody\n").code == 2
    assert varco("show", "nobody", home=home).code == 1


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        (SHOP.replace("a-long-secret", "short"), 2, "line 5, users.0.password"),
        (SHOP.replace("tls: required", "tls: always"), 2, "line 8, route"),
        (SHOP + "archive: {forward: boss@shop.example}\n", 1, "senders must be told before their mail is copied"),
    ],
)
def test_the_owners_complaints_name_the_line(
    stack: Stack, varco: Callable[..., Any], text: str, code: int, complaint: str
) -> None:
    ended = varco("apply", "-f", "-", "--yes", home=stack.home.path, given=text)
    assert ended.code == code
    assert complaint in ended.error


def test_a_sender_is_explained(stack: Stack, varco: Callable[..., Any]) -> None:
    home = stack.home.path
    yes = varco("senders", "test", "sales@acme.example", "--as", "alice@acme.example", home=home)
    assert (yes.code, yes.out[:4]) == (0, "yes:")
    no = varco("senders", "test", "ceo@bank.example", "--as", "alice@acme.example", home=home)
    assert (no.code, no.out[:3]) == (1, "no:")


def test_logins_are_imported_from_a_passwd_file(stack: Stack, varco: Callable[..., Any]) -> None:
    home = stack.home.path
    varco("accounts", "open", "imported", home=home)
    lines = "joe@imported.example:{BLF-CRYPT}$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe\n"
    assert varco("users", "import", "imported", "-", home=home, given=lines).code == 0
    users = json.loads(varco("users", "list", "imported", "--json", home=home).out)
    assert [(user["login"], user["hash"]) for user in users] == [("joe@imported.example", "bcrypt")]


def test_a_token_of_one_account_opens_no_other(
    stack: Stack, varco: Callable[..., Any], clean: pytest.MonkeyPatch
) -> None:
    home = stack.home.path
    varco("accounts", "open", "partner", home=home)
    issued = json.loads(varco("tokens", "issue", "theirs", "--account", "partner", "--json", home=home).out)
    clean.setenv("VARCO_TOKEN", issued["token"])
    assert varco("senders", "list", "partner", home=home).code == 0
    assert varco("senders", "list", "acme", home=home).code == 5
    clean.delenv("VARCO_TOKEN")
    assert varco("tokens", "revoke", issued["id"], "--account", "partner", home=home).code == 0
    clean.setenv("VARCO_TOKEN", issued["token"])
    assert varco("senders", "list", "partner", home=home).code == 5


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("status",), 0),
        (("accounts", "list"), 0),
        (("queue", "list"), 0),
        (("routes", "list"), 0),
        (("events", "tail"), 0),
        (("events", "list", "--since", "1d"), 0),
        (("events", "list", "--since", "whenever"), 2),
        (("trace", "nobody@nowhere.example"), 1),
        (("queue", "show", "00000000000000000000"), 1),
        (("users", "list", "nobody"), 1),
        (("queue", "drop", "00000000000000000000"), 2),
        (("apply", "-f", "/nowhere.yaml"), 2),
    ],
)
def test_exit_codes_say_what_happened(
    stack: Stack, varco: Callable[..., Any], command: tuple[str, ...], code: int
) -> None:
    assert varco(*command, "--json", home=stack.home.path).code == code


def test_no_stack_is_a_service_that_cannot_be_reached(varco: Callable[..., Any], tmp_path: Any) -> None:
    assert varco("status", home=tmp_path).code == 3
