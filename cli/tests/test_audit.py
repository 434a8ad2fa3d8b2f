"""`varco audit` over a real stack, and then with only files of it."""

import json
import shutil
import smtplib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from varco_cli.stack import Stack
from varco_common.transparency import checkpoint
from varco_common.transparency.leaf import LogEntry, from_line, to_line
from varco_common.transparency.signed_note import PublicKey, SigningKey


class Kept(NamedTuple):
    """What an auditor keeps: the key, a checkpoint, the exported events and their hashes."""

    key: str
    checkpoint: Path
    events: Path
    hashes: Path

    def entries(self) -> list[LogEntry]:
        return [from_line(line) for line in self.events.read_bytes().splitlines()]

    @property
    def size(self) -> int:
        return int(self.checkpoint.read_text().split("\n")[1])


@pytest.fixture
def kept(stack: Stack, varco: Callable[..., Any], tmp_path: Path) -> Kept:
    home = stack.home.path
    with smtplib.SMTP(stack.settings.bind, stack.ports.smtp, timeout=30) as client:
        client.sendmail("alice@acme.example", ["bob@elsewhere.example"], "Subject: proven\r\n\r\nhello\r\n")
    file = tmp_path / "kept.checkpoint"
    file.write_text(varco("audit", "checkpoint", home=home).out)
    events, hashes = tmp_path / "events.jsonl", tmp_path / "hashes"
    assert varco("audit", "export", str(events), "--hashes", str(hashes), home=home).code == 0
    return Kept(varco("audit", "key", home=home).out.strip(), file, events, hashes)


@pytest.fixture
def verify(varco: Callable[..., Any], kept: Kept, tmp_path: Path) -> Callable[..., Any]:
    """Verifies altered events in a place where there is no gate."""

    def run(entries: list[LogEntry], *more: str, key: str = kept.key, file: Path = kept.checkpoint) -> Any:
        altered = tmp_path / "altered.jsonl"
        altered.write_bytes(b"".join(map(to_line, entries)))
        nowhere = tmp_path / "nowhere"
        arguments = ("--events", str(altered), "--checkpoint", str(file), "--key", key, *more)
        return varco("audit", "verify", *arguments, home=nowhere)

    return run


def test_a_running_gate_is_verified_against_a_checkpoint_that_was_kept(
    stack: Stack, varco: Callable[..., Any], kept: Kept
) -> None:
    for more in ((), ("--checkpoint", str(kept.checkpoint))):
        ended = varco("audit", "verify", *more, "--json", home=stack.home.path)
        assert (ended.code, json.loads(ended.out)["good"]) == (0, True)
    forged = kept.checkpoint.read_text().replace("\n" + str(kept.size) + "\n", "\n1\n", 1)
    kept.checkpoint.write_text(forged)
    ended = varco("audit", "verify", "--checkpoint", str(kept.checkpoint), home=stack.home.path)
    assert (ended.code, "forged" in ended.error) == (1, True)


def test_one_event_is_proven_and_checked_with_no_gate(
    stack: Stack, varco: Callable[..., Any], kept: Kept, tmp_path: Path
) -> None:
    proof, nowhere = tmp_path / "proof.json", tmp_path / "nowhere"
    assert varco("audit", "prove", str(kept.size), "-o", str(proof), home=stack.home.path).code == 0
    ended = varco("audit", "check", str(proof), "--key", kept.key, home=nowhere)
    assert ended.code == 0
    assert f"proven: event {kept.size}" in ended.out
    other = str(SigningKey.new(PublicKey.parse(kept.key).name).public)
    assert varco("audit", "check", str(proof), "--key", other, home=nowhere).code == 1
    proof.write_text(proof.read_text().replace('"sequence": ', '"sequence": 1'))
    assert varco("audit", "check", str(proof), "--key", kept.key, home=nowhere).code == 1
    proof.write_text("{}")
    assert varco("audit", "check", str(proof), "--key", kept.key, home=nowhere).code == 2
    assert "--key" in varco("audit", "check", str(proof), home=nowhere).error


def test_a_mails_events_are_proven_each(stack: Stack, varco: Callable[..., Any], kept: Kept, tmp_path: Path) -> None:
    recorded = next(entry for entry in reversed(kept.entries()) if b'"mail.recorded.v1"' in entry.payload)
    mail = json.loads(recorded.payload)["record"]["envelope"]["id"]
    proofs = tmp_path / "proofs.json"
    assert varco("audit", "prove", mail, "-o", str(proofs), home=stack.home.path).code == 0
    ended = varco("audit", "check", str(proofs), "--key", kept.key, "--json", home=tmp_path / "nowhere")
    assert recorded.sequence in [entry["sequence"] for entry in json.loads(ended.out)]
    assert varco("audit", "prove", "0" * 20, home=stack.home.path).code == 1


def test_an_honest_export_is_verified_with_no_gate(verify: Callable[..., Any], kept: Kept) -> None:
    for more in ((), ("--hashes", str(kept.hashes))):
        ended = verify(kept.entries(), *more)
        assert ended.code == 0
        assert f"{kept.size} events are as they were signed" in ended.out


def change(entries: list[LogEntry]) -> None:
    entries[4] = entries[4]._replace(payload=entries[4].payload.replace(b"2", b"3", 1))


def swap(entries: list[LogEntry]) -> None:
    entries[4], entries[6] = entries[6]._replace(sequence=5), entries[4]._replace(sequence=7)


def drop(entries: list[LogEntry]) -> None:
    del entries[4]
    entries[4:] = [entry._replace(sequence=entry.sequence - 1) for entry in entries[4:]]


def put(entries: list[LogEntry]) -> None:
    entries[4:] = [entry._replace(sequence=entry.sequence + 1) for entry in entries[4:]]
    entries.insert(4, entries[5]._replace(sequence=5, payload=b'{"type":"never.said.v1"}'))


def cut(entries: list[LogEntry]) -> None:
    del entries[4:]


@pytest.mark.parametrize(
    ("alter", "departure"),
    [(change, "changed"), (drop, "dropped"), (put, "added"), (swap, "reordered"), (cut, "cut off")],
)
def test_whatever_is_done_to_an_export_is_found_and_named(
    verify: Callable[..., Any], kept: Kept, alter: Callable[[list[LogEntry]], None], departure: str
) -> None:
    entries = kept.entries()
    alter(entries)
    result = json.loads((ended := verify(entries, "--hashes", str(kept.hashes), "--json")).out)
    assert (ended.code, result["good"], result["departure"], result["sequence"]) == (1, False, departure, 5)
    coarse = json.loads((ended := verify(entries, "--json")).out)
    assert (ended.code, coarse["good"]) == (1, False)
    assert coarse["sequence"] <= 5 <= coarse["until"]


def test_hashes_of_another_log_are_no_help_and_said_to_be_none(verify: Callable[..., Any], kept: Kept) -> None:
    kept.hashes.write_bytes(b"x" * kept.hashes.stat().st_size)
    entries = kept.entries()
    assert verify(entries, "--hashes", str(kept.hashes)).code == 0
    change(entries)
    result = json.loads(verify(entries, "--hashes", str(kept.hashes), "--json").out)
    assert (result["departure"], "can't be named exactly" in result["note"]) == ("altered", True)


def test_a_checkpoint_that_nobody_trusted_signed_is_no_measure(
    verify: Callable[..., Any], kept: Kept, tmp_path: Path
) -> None:
    origin = PublicKey.parse(kept.key).name
    stranger, other = SigningKey.new(origin), SigningKey.new("varco-other")
    forged = tmp_path / "forged.checkpoint"
    for text, why in (
        (kept.checkpoint.read_text().replace(f"\n{kept.size}\n", "\n4\n", 1), "forged"),
        (checkpoint.signed(stranger, 4, b"r" * 32).text, "no trusted key"),
        (checkpoint.signed(other, 4, b"r" * 32).text, "another log"),
    ):
        forged.write_text(text)
        ended = verify(kept.entries(), file=forged)
        assert (ended.code, why in ended.error) == (1, True)
    wrong = verify(kept.entries(), key=str(stranger.public))
    assert (wrong.code, "no trusted key" in wrong.error) == (1, True)


def test_what_can_not_be_read_is_told_apart_from_what_was_altered(
    verify: Callable[..., Any], varco: Callable[..., Any], kept: Kept, tmp_path: Path
) -> None:
    nowhere, missing = tmp_path / "nowhere", tmp_path / "missing"
    broken = tmp_path / "broken"
    broken.write_text("no\n")
    for arguments in (
        ("--events", str(missing), "--checkpoint", str(kept.checkpoint), "--key", kept.key),
        ("--events", str(broken), "--checkpoint", str(kept.checkpoint), "--key", kept.key),
        ("--events", str(kept.events), "--checkpoint", str(broken), "--key", kept.key),
        ("--events", str(kept.events), "--checkpoint", str(kept.checkpoint), "--key", "no+key"),
        ("--events", str(kept.events), "--checkpoint", str(kept.checkpoint)),
        ("--events", str(kept.events), "--key", kept.key),
        ("--key", kept.key),
    ):
        assert varco("audit", "verify", *arguments, home=nowhere).code == 2
    assert varco("audit", "export", str(kept.events), home=nowhere).code == 2


def test_an_export_goes_to_standard_output_as_well(stack: Stack, varco: Callable[..., Any], kept: Kept) -> None:
    piped = varco("audit", "export", "-", home=stack.home.path).out
    assert piped.encode().startswith(kept.events.read_bytes())
    proof = varco("audit", "prove", "1", "-o", "-", home=stack.home.path).out
    assert json.loads(proof)
    assert varco("audit", "prove", "1", "-o", "/nowhere/proof.json", home=stack.home.path).code == 2


def test_a_directory_of_checkpoints_narrows_down_and_a_rotation_in_the_log_vouches(
    stack: Stack, varco: Callable[..., Any], kept: Kept, verify: Callable[..., Any], tmp_path: Path
) -> None:
    home = stack.home.path
    new = varco("audit", "rotate-key", "--reason", "test", home=home).out.strip()
    assert new != kept.key
    later = tmp_path / "later.checkpoint"
    later.write_text(varco("audit", "checkpoint", home=home).out)
    events = tmp_path / "later.jsonl"
    assert varco("audit", "export", str(events), home=home).code == 0
    entries = [from_line(line) for line in events.read_bytes().splitlines()]
    assert verify(entries, file=later).code == 0, "the rotation is in the log itself"
    shelf = tmp_path / "shelf"
    shutil.copytree(home / "audit" / "checkpoints", shelf)
    assert verify(entries, file=shelf, key=new).code == 0
    change(entries)
    result = json.loads(verify(entries, "--json", file=shelf).out)
    assert (result["departure"], result["sequence"] <= 5 <= result["until"]) == ("altered", True)
    assert result["until"] < len(entries)
