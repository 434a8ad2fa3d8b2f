"""`varco settings` tells who changed what, and makes the opposite change."""

import json
from typing import Any

import pytest

from varco_cli.stack import Stack

from .conftest import Ended, Varco

ACCOUNT = "undone"


@pytest.fixture
def run(stack: Stack, varco: Varco) -> Any:
    def in_stack(*arguments: str, given: str = "") -> Ended:
        return varco(*arguments, home=stack.home.path, given=given)

    in_stack("accounts", "open", ACCOUNT)
    return in_stack


def document(run: Any) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("show", ACCOUNT, "--json").out)
    return shown


def history(run: Any, *options: str) -> list[dict[str, Any]]:
    answer = run("settings", "history", ACCOUNT, "--json", *options)
    assert answer.code == 0, answer.error
    listed: list[dict[str, Any]] = json.loads(answer.out)
    return listed


def test_a_changed_rule_comes_back_and_the_later_change_of_another_stays(run: Any) -> None:
    run("rules", "set", ACCOUNT, "--max-size", "20MB")
    assert run("rules", "set", ACCOUNT, "--max-size", "30MB", "--reason", "ticket 7").code == 0
    change = history(run)[0]
    assert (change["fact"], change["event"]["reason"]) == ("rules-changed", "ticket 7")
    run("rules", "set", ACCOUNT, "--max-recipients", "7")
    done = run("settings", "undo", str(change["sequence"]), "--yes")
    assert (done.code, "30MB -> 20MB" in done.out) == (0, True), done.error
    assert document(run)["rules"]["max_size"] == "20MB"
    assert document(run)["rules"]["max_recipients"] == 7
    assert history(run)[0]["event"]["reason"] == f"undoes event {change['sequence']} (rules-changed)"


def test_an_added_sender_goes_after_a_yes(run: Any) -> None:
    run("senders", "add", ACCOUNT, "@one.example")
    run("senders", "add", ACCOUNT, "@two.example")
    added = history(run)[1]["sequence"]
    asked = run("settings", "undo", str(added), "--yes")
    assert (asked.code, "removes sender @one.example" in asked.error) == (2, True)
    assert run("settings", "undo", str(added), "--yes", "--prune").code == 0
    assert document(run)["senders"] == ["@two.example"]


def test_a_route_and_a_quota_come_back(run: Any) -> None:
    run("routes", "set", ACCOUNT, "blackhole")
    run("routes", "set", ACCOUNT, "mx.undone.example:25")
    route = history(run)[0]
    assert route["fact"] == "route-set"
    assert run("quota", "set", ACCOUNT, "messages=500").code == 0
    quota = history(run)[0]
    assert run("settings", "undo", str(route["sequence"]), "--yes").code == 0
    done = run("settings", "undo", str(quota["sequence"]), "--yes", "--prune")
    assert done.code == 0, done.error
    assert document(run)["route"] == "blackhole"


def test_a_route_comes_back_with_its_password_and_routes_by_mail_do(run: Any, stack: Stack, varco: Varco) -> None:
    set_route = ("routes", "set", ACCOUNT, "mx.undone.example:25", "--login", "gate", "--tls", "required")
    assert varco(*set_route, home=stack.home.path, given="a-long-secret\n").code == 0
    run("routes", "set", ACCOUNT, "blackhole", "--login", "")
    changed = history(run)[0]
    assert changed["fact"] == "route-set"
    done = run("settings", "undo", str(changed["sequence"]), "--yes")
    assert done.code == 0, done.error
    assert document(run)["route"]["login"] == "gate"
    text = f"account: {ACCOUNT}\nroutes: [{{recipients: ['@partner.example'], to: blackhole}}]\n"
    assert varco("apply", "-", "--yes", home=stack.home.path, given=text).code == 0
    rules = history(run)[0]
    assert rules["fact"] == "route-rules-set"
    done = run("settings", "undo", str(rules["sequence"]), "--yes", "--prune")
    assert done.code == 0, done.error
    assert not document(run).get("routes")


def test_a_dry_run_changes_nothing(run: Any) -> None:
    run("rules", "set", ACCOUNT, "--max-recipients", "11")
    change = history(run)[0]["sequence"]
    shown = run("settings", "undo", str(change), "--dry-run")
    assert (shown.code, "11 -> " in shown.out) == (0, True)
    assert history(run)[0]["sequence"] == change


def test_a_password_is_not_brought_back_and_that_is_said(run: Any, stack: Stack, varco: Varco) -> None:
    for secret in ("first-secret", "second-secret"):
        varco("users", "put", ACCOUNT, "carl", "--password-stdin", home=stack.home.path, given=f"{secret}\n")
    changed = history(run)[0]
    assert changed["fact"] == "password-changed"
    refused = run("settings", "undo", str(changed["sequence"]))
    assert (refused.code, "nothing that an account file can bring back" in refused.error) == (1, True)


def test_what_is_no_change_of_settings_is_said(run: Any) -> None:
    assert run("settings", "undo", "99999999").code == 1
    assert run("settings", "history", "nobody").code == 1


def test_the_history_is_a_table_with_names(run: Any) -> None:
    run("senders", "add", ACCOUNT, "@three.example", "--reason", "new partner")
    listed = run("settings", "history", ACCOUNT, "--limit", "1")
    assert listed.out.splitlines()[0].split() == ["event", "time", "who", "change", "reason"]
    assert "sender authorised: pattern=@three.example" in listed.out
    assert "new partner" in listed.out
    older = history(run, "--before", str(history(run)[0]["sequence"]), "--limit", "1")
    assert older[0]["sequence"] < history(run)[0]["sequence"]


@pytest.mark.parametrize(
    ("section", "first", "second", "fact"),
    [
        ("language", ["it", "en"], ["en", "it"], "languages-chosen"),
        ("time_zone", "Europe/Rome", "Asia/Tokyo", "time-zone-chosen"),
        ("domains", ["one.undone.example"], ["one.undone.example", "two.undone.example"], "domain-added"),
        (
            "routes",
            [{"recipients": ["@a.example"], "to": "blackhole"}, {"recipients": ["@b.example"], "to": "mx"}],
            [{"recipients": ["@b.example"], "to": "mx"}, {"recipients": ["@a.example"], "to": "blackhole"}],
            "route-rules-set",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_section_comes_back(run: Any, section: str, first: Any, second: Any, fact: str) -> None:
    shown = [_applied(run, section, value) for value in (first, second)]
    assert shown[0] != shown[1]
    change = history(run)[0]
    assert change["fact"] == fact
    undone = run("settings", "undo", str(change["sequence"]), "--yes", "--prune")
    assert undone.code == 0, undone.error
    assert document(run)[section] == shown[0]


def _applied(run: Any, section: str, value: Any) -> Any:
    """The section as it is shown then."""
    file = json.dumps({"account": ACCOUNT, section: value})
    applied = run("apply", "-", "--yes", "--prune", given=file)
    assert applied.code == 0, applied.error
    return document(run)[section]
