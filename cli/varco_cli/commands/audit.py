"""`varco audit`: proves that no event was changed, dropped, added or moved."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from varco_cli import api_client, offline_verify, output
from varco_cli.catalogue import group
from varco_cli.commands.balance import balance
from varco_cli.commands.shared import Reason
from varco_cli.failures import Conflict, Misused, Refused, in_words
from varco_cli.offline_verify import VerificationResult
from varco_cli.output import Json
from varco_common.base.ids import LENGTH
from varco_common.base.timestamps import time_text
from varco_common.transparency import inclusion
from varco_common.transparency.inclusion import NotProven, ProvenEvent
from varco_common.transparency.signed_note import BadNote

app = group("audit")
app.command("balance")(balance)


Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="A trusted public key, or its file. Default: the key of audit in VARCO_HOME."),
]


@app.command("key")
def key(as_json: Json = False) -> None:
    """Prints the public key that verifies checkpoints.

    Keep it where the operators of the gate can't change it.

    Example: `varco audit key > log.pub`
    """
    state = api_client.call("audit", "GET", "/proof")
    output.show({"key": state["key"]}, as_json, lambda: typer.echo(state["key"]))


@app.command("rotate-key")
def rotate_key(reason: Reason = "", as_json: Json = False) -> None:
    """Starts to sign with a new key. The old key signs the new one.

    So whoever trusts one of them can verify the signatures of both.

    Example: `varco audit rotate-key --reason yearly`
    """
    state = api_client.call("audit", "POST", "/proof/key/rotations", params={"reason": reason})
    output.show({"key": state["key"]}, as_json, lambda: typer.echo(state["key"]))


@app.command("checkpoint")
def checkpoint(as_json: Json = False) -> None:
    """Signs all events up to now and prints the checkpoint. Send it to somebody who keeps it.

    Example: `varco audit checkpoint | mail -s checkpoint auditor@partner.example`
    """
    state = api_client.call("audit", "POST", "/proof/checkpoints")
    if not state["checkpoint"]:
        raise Refused(state["broken"] or "there is no event to sign yet")
    if state["broken"]:
        output.step(f"audit no longer signs: {state['broken']}")
    output.show({"checkpoint": state["checkpoint"]}, as_json, lambda: typer.echo(state["checkpoint"], nl=False))


@app.command("prove")
def prove(
    what: Annotated[
        str, typer.Argument(help="Sequence of an event, or id of a mail for all of its events.", metavar="EVENT")
    ],
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; default, and `-`: standard output.")
    ] = None,
) -> None:
    """Writes a proof, as JSON, that an event is in the log.

    The proof contains the whole event and reveals no other event.

    Example: `varco audit prove 4711 -o proof.json`
    """
    proofs = [_proof(sequence) for sequence in _sequences(what)]
    text = proofs[0] if _is_sequence(what) else b"[\n" + b",\n".join(event.strip() for event in proofs) + b"\n]\n"
    if to and str(to) != "-":
        _write(to, text)
        output.step(f"{len(proofs)} proofs are in {to}")
    else:
        typer.echo(text.decode(), nl=False)


def _write(file: Path, text: bytes) -> None:
    try:
        file.write_bytes(text)
    except OSError as error:
        raise Misused(f"{file}: {in_words(error)}") from None


def _is_sequence(what: str) -> bool:
    return what.isdecimal() and len(what) < LENGTH


def _sequences(what: str) -> list[int]:
    if _is_sequence(what):
        return [int(what)]
    page = api_client.call("audit", "GET", "/events", params={"mail": what, "order": "oldest", "limit": 1_000})
    if not page["events"]:
        raise Refused(f"no event is about mail {what}")
    return [event["sequence"] for event in page["events"]]


def _proof(sequence: int) -> bytes:
    try:
        return api_client.fetch("audit", f"/proof/events/{sequence}")
    except Conflict:  # no checkpoint covers it yet
        api_client.call("audit", "POST", "/proof/checkpoints")
        return api_client.fetch("audit", f"/proof/events/{sequence}")


@app.command("check")
def check(
    proof: Annotated[Path, typer.Argument(help="The file that `varco audit prove` wrote.", metavar="PROOF.json")],
    trusted: Keys = None,
    as_json: Json = False,
) -> None:
    """Checks a proof. It needs no gate, only the file and the public key.

    Example: `varco audit check proof.json --key log.pub`
    """
    keys = offline_verify.keys(trusted or [], api_client.state_directory().path)
    try:
        data = proof.read_bytes().strip()
        texts = msgspec.json.decode(data, type=list[msgspec.Raw]) if data.startswith(b"[") else [data]
        proven = [inclusion.check(bytes(event), keys) for event in texts]
    except NotProven as error:
        raise Refused(f"the proof does not hold: {error}") from None
    except (OSError, msgspec.DecodeError, BadNote) as error:
        raise Misused(f"{proof}: {error}") from None
    if not proven:
        raise Misused(f"{proof}: the file contains no proof")
    output.show([_fields(event) for event in proven], as_json, lambda: _print_proven(proven))


def _fields(event: ProvenEvent) -> dict[str, Any]:
    sequence, at, subject, payload = event.entry
    known = {
        "sequence": sequence,
        "time": time_text(at),
        "subject": subject,
        "payload": payload.decode(errors="replace"),
    }
    return known | {"log": event.origin, "size": event.size, "key": event.key}


def _print_proven(proven: list[ProvenEvent]) -> None:
    for event in proven:
        fields = _fields(event)
        output.line(f"proven: event {fields['sequence']}, stored {fields['time']}, {fields['subject']}")
        output.line(fields["payload"])
        output.line(f"is among the first {event.size} events of log {event.origin}, signed by {event.key}")


@app.command("verify")
def verify(
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", help="File of a checkpoint, or directory of checkpoints. Default: the last signed one."
        ),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="Without a gate: the file of `varco audit export`, or `-` for standard input.")
    ] = None,
    hashes: Annotated[
        Path | None, typer.Option(help="Without a gate: the leaf hashes, which make the first difference exact.")
    ] = None,
    trusted: Keys = None,
    first: Annotated[int, typer.Option(min=1, help="First event that has not expired (after ten years).")] = 1,
    as_json: Json = False,
) -> None:
    """Verifies that all events are as they were signed.

    Names the first event that was changed, dropped, added or reordered. Exit codes: 0 all are as
    signed, 1 they differ, 2 a file can't be used.

    Examples: `varco audit verify --checkpoint kept-elsewhere.checkpoint` ·
    `varco audit verify --events events.jsonl --hashes hashes --checkpoint checkpoints/ --key
    log.pub`
    """
    if events:
        against = offline_verify.read_checkpoints(checkpoints or [])
        keys = offline_verify.keys(trusted or [], api_client.state_directory().path)
        _end(offline_verify.check_log(events, against, keys, hashes, first), as_json)
    elif hashes or trusted:
        raise Misused("--hashes and --key need --events: a running gate has its own")
    else:
        texts = (
            [event.text for event in offline_verify.read_checkpoints(checkpoints).checkpoints] if checkpoints else []
        )
        _end(_live(texts, first), as_json)


def _live(checkpoints: list[str], first: int) -> VerificationResult:
    form = {"checkpoints": checkpoints, "first": first}
    for line in api_client.lines("audit", "/proof/verification", params={}, method="POST", json=form):
        frame = msgspec.json.decode(line)
        if frame.get("done"):
            return msgspec.convert(frame, VerificationResult)
        output.step(f"{frame['events']} of {frame['of']} events, {frame['events'] / frame['seconds']:.0f} a second")
    raise Refused("audit ended before it had read all events: run the command again")


def _end(outcome: VerificationResult, as_json: bool) -> None:
    if outcome.note:
        output.step(outcome.note)
    if outcome.departure and not as_json:
        raise Refused(outcome.text)
    later = max(outcome.events - outcome.signed, 0)
    text = f"{outcome.signed} events are as they were signed" + (f"; {later} came later" if later else "")
    output.show({"good": not outcome.departure, **msgspec.to_builtins(outcome)}, as_json, lambda: output.line(text))
    if outcome.departure:
        raise typer.Exit(1)


@app.command("export")
def export(
    to: Annotated[
        Path, typer.Argument(help="The file to write, which must not exist; `-` for standard output.", metavar="FILE")
    ],
    hashes: Annotated[Path | None, typer.Option(help="File for the leaf hashes. It must not exist.")] = None,
    as_json: Json = False,
) -> None:
    """Exports all events byte for byte, for `varco audit verify --events`.

    The file contains hashes of passwords, so its mode is 0600.

    Examples: `varco audit export events.jsonl --hashes hashes` ·
    `varco audit export - | gzip > events.jsonl.gz`
    """
    downloads = {"/proof/log": to} | ({"/proof/hashes": hashes} if hashes else {})
    for path, file in downloads.items():
        with _new_file(file) as out:
            api_client.download("audit", path, out)
    if str(to) != "-":
        output.show({"events": str(to)}, as_json, lambda: output.line(f"all events are in {to}"))


@contextmanager
def _new_file(file: Path) -> Iterator[BinaryIO]:
    """Yields the file, of mode 0600, or standard output. Raises Misused if it exists."""
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Misused(f"{file}: {in_words(error)}") from None
    with os.fdopen(descriptor, "wb") as out:
        yield out
