"""The printed file: complete, valid by its own schema, and able to bring an account back."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml

from varco_cli.docs import account_file
from varco_common.account_file.schema import completed, schema
from varco_common.base.wording import flow

from .test_apply import FULL, full  # noqa: F401 - a fixture


def fields(root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, shape in account_file._mappings(root, root, ""):
        for name, field in shape["properties"].items():
            yield f"{title}.{name}", field


@pytest.mark.parametrize(("name", "field"), [*fields(account_file.schema())], ids=lambda value: str(value)[:60])
def test_every_key_is_described_with_an_example_that_fits(name: str, field: dict[str, Any]) -> None:
    assert field["description"].endswith(".")
    root = account_file.schema()
    for example in field["examples"]:
        assert jsonschema_rs.validator_for({"$defs": root["$defs"], **field}).is_valid(example), (name, example)
        assert yaml.safe_load(flow(example)) == example or flow(example) == "off"


def test_the_schema_takes_a_full_file_and_finds_mistakes() -> None:
    validator = jsonschema_rs.validator_for(schema())
    assert validator.is_valid({"account": "acme", **FULL})
    for wrong in (
        {"rules": {"max_sise": "1MB"}},
        {"route": {"tls": "always"}},
        {"user": []},
        {"archive": {"keep": []}},
    ):
        assert not validator.is_valid({"account": "acme", **wrong}), wrong


def test_a_file_with_every_key_is_valid_and_stays_as_it_is() -> None:
    document = completed(
        {"account": "acme", "language": "it", "hosts": [], "users": [], "senders": [], "networks": ["10.0.0.0/24"]}
    )
    assert [*document] == [*schema()["properties"]]
    assert document["networks"] == [{"normalise": False, "domain": None, "network": "10.0.0.0/24"}]
    assert (document["archive"], document["route"]) == ("off", None)
    assert completed(document) == document
    assert jsonschema_rs.validator_for(schema()).is_valid(document)


def test_what_is_shown_names_its_schema_and_applied_changes_nothing(full: Callable[..., Any]) -> None:  # noqa: F811
    shown = full("show", "ACCOUNT")
    assert shown.out.startswith("# yaml-language-server: $schema=varco-account.schema.json\n")
    assert "secret" not in shown.out.replace("varco account schema", "")
    assert jsonschema_rs.validator_for(schema()).is_valid(yaml.safe_load(shown.out))
    assert full("apply", "-f", "-", given=shown.out).out == "no difference: it is so already\n"


CHANGES = """\
language: en
hosts: []
senders: ["@other.example"]
networks: off
rules: {max_size: null, max_recipients: 7, attachments: any, encrypted: null, display_addresses: accept}
notices: {attachment: null, sender: {en: You not}, size: {it: Troppo}}
route: blackhole
quotas: {messages: null, recipients: 12, bytes: 5GB, account: {messages: 1}, time_zone: null, answer: null, exceptions: []}
filelink: {over: 9MB, keep: 1 month, base_url: null, signed: null}
archive: {forward: {to: two@ACCOUNT.example, form: null, return_path: null}, keep: 6 days, copy: null}
"""


@pytest.mark.parametrize(
    "changes", [CHANGES, "route: null\nquotas: off\nfilelink: off\narchive: {forward: off}\nnotices: off"]
)
def test_a_past_file_brings_the_account_back(full: Callable[..., Any], changes: str) -> None:  # noqa: F811
    before = full("show", "ACCOUNT").out
    events = json.loads(full("events", "list", "--account", "ACCOUNT", "--json").out)
    last = max(event["sequence"] for event in (events if isinstance(events, list) else events["events"]))
    changed = full("apply", "-f", "-", "--yes", "--prune", given=f"account: ACCOUNT\n{changes}\n")
    assert changed.code == 0, changed.error
    assert full("show", "ACCOUNT").out != before
    past = full("show", "ACCOUNT", "--at", str(last))
    assert past.code == 0, past.error
    if "route: blackhole" in changes or "route: null" in changes:  # the password of the next hop can't be shown
        text = past.out.replace("login: relay", "login: relay, password: s3cret-s3cret")
    back = full("apply", "-f", "-", "--yes", "--prune", given=text)
    assert back.code == 0, back.error
    assert full("show", "ACCOUNT").out == before
