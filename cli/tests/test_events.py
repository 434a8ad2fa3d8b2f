"""Events on the command line: lists, follows and exports them, without secrets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from varco_cli.stack.stack import Stack

ADDED = ("--fact", "credential-added", "--account", "acme")


def test_lists_and_tails_show_no_hashes(stack: Stack, varco: Callable[..., Any]) -> None:
    out = varco("events", "tail", *ADDED, "--json", home=stack.home.path).out
    tailed = [json.loads(line) for line in out.splitlines()]
    listed = json.loads(varco("events", "list", *ADDED, "--oldest", "--json", home=stack.home.path).out)
    for events in (tailed, listed):
        assert "alice@acme.example" in {entry["event"]["login"] for entry in events}
        assert {entry["event"]["hash"] for entry in events} == {"..."}
    assert "credential.added.v1" in varco("events", "tail", *ADDED, home=stack.home.path).out


def test_an_export_goes_on_where_it_was_broken_off(stack: Stack, varco: Callable[..., Any], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    policy = ("--service", "policy")
    assert varco("events", "export", str(whole), *policy, home=stack.home.path).code == 0
    lines = whole.read_text().splitlines(keepends=True)
    assert len(lines) > 3
    parts.write_text("".join(lines[:2]))
    last = str(json.loads(lines[1])["sequence"])
    assert varco("events", "export", str(parts), *policy, home=stack.home.path).code == 2
    ended = varco("events", "export", str(parts), "--after", last, *policy, home=stack.home.path)
    assert ended.code == 0
    assert parts.read_text().splitlines(keepends=True)[: len(lines)] == lines
    assert set(json.loads(lines[0])) == {"sequence", "time", "subject", "event"}
    out = varco("events", "export", *policy, home=stack.home.path).out
    assert out.splitlines(keepends=True)[: len(lines)] == lines
