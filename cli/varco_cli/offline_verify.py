"""Verifies exported events without a gate: keys and checkpoints come from files, too."""

import mmap
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import msgspec

from varco_cli import output
from varco_cli.failures import Misused
from varco_common.transparency import leaf, verification
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.deviation import Deviation, Finding, Hashes
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.merkle_tree import HASH_BYTES
from varco_common.transparency.signed_note import BadNote, BadSignature, PublicKey
from varco_common.transparency.verification import BadHashes, Forked, HistoryVerifier

_PROGRESS = 200_000
_ROTATED = "events.audit.checkpoint-key-rotated."


class VerificationResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The outcome of a verification. It is good where `departure` is empty."""

    events: int = 0
    signed: int = 0
    departure: str = ""
    sequence: int = 0
    until: int = 0
    text: str = ""
    note: str = ""


@dataclass
class CheckpointSet:
    """The checkpoints and key rotations that `--checkpoint` named."""

    checkpoints: list[Checkpoint] = field(default_factory=list)
    rotations: list[Rotation] = field(default_factory=list)


def keys(texts: Sequence[str], home: Path) -> list[PublicKey]:
    """Returns the public keys, each given as text or as a file.

    Without any, it is the key that audit left in VARCO_HOME.

    Raises Misused.
    """
    own_key = home / "audit" / "checkpoints" / "log.pub"
    if not texts and not own_key.exists():
        raise Misused("no trusted key: give --key with the output of `varco audit key`")
    results = []
    for text in texts or [str(own_key)]:
        try:
            results.append(PublicKey.parse(text if "+" in text else Path(text).read_text()))
        except (BadNote, OSError, UnicodeDecodeError) as error:
            raise Misused(f"--key {text}: {error}") from None
    return results


def read_checkpoints(paths: Sequence[Path]) -> CheckpointSet:
    """Reads checkpoints and rotations from files and directories. Raises Misused."""
    results = CheckpointSet()
    for path in paths:
        files = sorted([*path.rglob("*.checkpoint"), *path.rglob("*.rotation")]) if path.is_dir() else [path]
        for file in files:
            try:
                text = file.read_text()
                if file.suffix == ".rotation":
                    results.rotations.append(Rotation.parse(text))
                else:
                    results.checkpoints.append(Checkpoint.parse(text))
            except (BadNote, OSError, UnicodeDecodeError) as error:
                raise Misused(f"{file}: {error}") from None
    if not results.checkpoints:
        raise Misused("no checkpoint to compare the events with: give --checkpoint with a file or a directory")
    return results


def check_log(
    events: Path, against: CheckpointSet, trusted: Sequence[PublicKey], hashes: Path | None, first: int
) -> VerificationResult:
    """Verifies exported events. Reads them twice only to narrow down a departure.

    Raises Misused.
    """
    began = monotonic()
    try:
        chain = Chain(trusted, against.rotations)
        if any(not _signed(chain, checkpoint) for checkpoint in against.checkpoints) and str(events) != "-":
            chain = Chain(trusted, [*against.rotations, *_rotations(events)])
        for checkpoint in against.checkpoints:
            chain.verify(checkpoint)
        checkpoints = verification.in_order(against.checkpoints)
    except (BadSignature, Forked) as error:
        return VerificationResult(departure="checkpoint", text=str(error))
    with _leaves(hashes, checkpoints) as (leaves, note):
        if first > 1 and not leaves:
            raise Misused("--first needs --hashes: they stand for the events that have expired")
        verifier = HistoryVerifier(checkpoints, leaves, first)
        count, finding = _run(verifier, events, began)
    if finding and finding.departure is Deviation.SOMEWHERE and str(events) != "-":
        near = [
            checkpoint
            for checkpoint in verifier.inner
            if finding.sequence <= checkpoint.size <= finding.until and _signed(chain, checkpoint)
        ]
        if near:
            finding = _run(HistoryVerifier(_agreeing([*checkpoints, *near])), events, began)[1] or finding
    outcome = VerificationResult(events=count, signed=verifier.size, note=note)
    return _departed(outcome, finding) if finding else outcome


def _departed(outcome: VerificationResult, finding: Finding) -> VerificationResult:
    departure, sequence, until, text = finding
    return msgspec.structs.replace(outcome, departure=str(departure), sequence=sequence, until=until, text=text)


def _agreeing(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Sorts checkpoints by size. Of two of one size the first counts: it is the caller's own."""
    results: dict[int, Checkpoint] = {}
    for checkpoint in checkpoints:
        results.setdefault(checkpoint.size, checkpoint)
    return [results[size] for size in sorted(results)]


def _signed(chain: Chain, checkpoint: Checkpoint) -> bool:
    try:
        chain.verify(checkpoint)
    except BadSignature:
        return False
    return True


def _run(verifier: HistoryVerifier, events: Path, began: float) -> tuple[int, Finding | None]:
    count = 0
    for entry in _entries(events):
        count += 1
        if results := verifier.push(entry):
            return count, results
        if count % _PROGRESS == 0:
            output.step(f"{count} events, {count / (monotonic() - began):.0f} a second")
    return count, verifier.end()


def _entries(events: Path) -> Iterator[LogEntry]:
    with _opened(events) as file:
        for number, line in enumerate(file, 1):
            try:
                yield leaf.from_line(line)
            except ValueError as error:
                why = f"{events}:{number}: not an event as `varco audit export` writes it ({error})"
                raise Misused(why) from None


@contextmanager
def _opened(events: Path) -> Iterator[BinaryIO]:
    if str(events) == "-":
        yield sys.stdin.buffer
        return
    try:
        with events.open("rb") as file:
            yield file
    except OSError as error:
        raise Misused(f"{events}: {error.strerror}") from None


def _rotations(events: Path) -> Iterator[Rotation]:
    """Yields the key rotations that are events of the log. Each is signed by the key before it."""
    for entry in _entries(events):
        if entry.subject.startswith(_ROTATED):
            try:
                yield Rotation.parse(msgspec.json.decode(entry.payload)["note"])
            except (msgspec.DecodeError, BadNote, KeyError, TypeError):
                continue


@contextmanager
def _leaves(path: Path | None, checkpoints: Sequence[Checkpoint]) -> Iterator[tuple[Hashes | None, str]]:
    """Yields the leaf hashes, or None and the reason where they do not fit the checkpoints."""
    if path is None:
        yield None, ""
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise Misused(f"{path}: {error.strerror}") from None
    with file:
        if path.stat().st_size < HASH_BYTES:
            yield None, f"{path} is empty: a departure can't be named exactly"
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size = len(data) // HASH_BYTES
            try:
                verification.fits((data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(size)), checkpoints)
            except BadHashes as error:
                yield None, f"{path}: {error}: a departure can't be named exactly"
                return
            yield lambda index: data[index * HASH_BYTES : (index + 1) * HASH_BYTES], ""
