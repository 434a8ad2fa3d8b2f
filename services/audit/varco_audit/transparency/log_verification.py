"""Reads all of EVENTS again and compares it with checkpoints: `varco audit verify`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from time import monotonic, time

import msgspec

from varco_audit.table_projection import ALL_EVENTS
from varco_audit.transparency.signed_history import SignedHistory, read_entries
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.bus.bus_settings import DAY, TEN_YEARS
from varco_common.transparency import verification
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.deviation import Deviation, Finding, Hashes
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.signed_note import BadSignature
from varco_common.transparency.verification import BadHashes, Forked, HistoryVerifier

_EVENTS_PER_FRAME = 20_000
_log = log.get(__name__)


class VerificationFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Progress, or with `done` the result; it is good if `departure` is empty.

    `events` were read, of `of`. Checkpoints cover `signed` of them. `note` is a remark for people.
    """

    events: int = 0
    of: int = 0
    signed: int = 0
    seconds: float = 0.0
    done: bool = False
    departure: str = ""
    sequence: int = 0
    until: int = 0
    text: str = ""
    note: str = ""


async def verify_events(
    bus: Bus, history: SignedHistory, given: Sequence[Checkpoint], first: int = 1
) -> AsyncIterator[VerificationFrame]:
    """Frames of progress, then the result.

    Compares with the checkpoints in `given`, from elsewhere, and the last one signed here.
    """
    began = monotonic()
    await history.catch_up()
    try:
        checkpoints = _checked_checkpoints(history, given)
    except (BadSignature, Forked) as error:
        yield VerificationFrame(done=True, departure="checkpoint", text=str(error))
        return
    hashes, note = await _fitting_hashes(history, checkpoints)
    verifier = HistoryVerifier(checkpoints, hashes, first)
    last, events, finding = await bus.events.last_sequence(ALL_EVENTS), 0, None

    def frame() -> VerificationFrame:
        return VerificationFrame(events=events, of=last, signed=verifier.size, seconds=monotonic() - began)

    async with aclosing(read_entries(bus, first - 1, last)) as entries:
        async for entry in entries:
            if not events and hashes and _expired(entry):
                verifier = HistoryVerifier(checkpoints, hashes, entry.sequence)
            events += 1
            if finding := verifier.push(entry) or _foreign_checkpoint(history, entry):
                break
            if events % _EVENTS_PER_FRAME == 0:
                yield frame()
    result = msgspec.structs.replace(frame(), done=True, note=note)
    if finding := finding or verifier.end():
        history.report_failure(finding.text)
        departure, sequence, until, text = finding
        result = msgspec.structs.replace(result, departure=departure, sequence=sequence, until=until, text=text)
    yield result


def _expired(first: LogEntry) -> bool:
    """Whether the events before the first one may have expired. The bus drops them with a delay."""
    return time() - first.at / 1e9 > TEN_YEARS - DAY


def _checked_checkpoints(history: SignedHistory, given: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Raises BadSignature or Forked."""
    for checkpoint in given:
        history.chain.verify(checkpoint)
    try:
        return verification.in_order([*given, *([history.last.checkpoint] if history.last else [])])
    except Forked as error:
        history.report_failure(str(error))
        raise


async def _fitting_hashes(history: SignedHistory, checkpoints: Sequence[Checkpoint]) -> tuple[Hashes | None, str]:
    """The leaf hashes of the tree if they fit the checkpoints; else None, and why."""
    try:
        await asyncio.to_thread(verification.fits, history.tree.leaves(), checkpoints)
    except BadHashes as error:
        return None, f"{error}: a departure can't be named exactly"
    return history.tree.leaf, ""


def _foreign_checkpoint(history: SignedHistory, entry: LogEntry) -> Finding | None:
    """A checkpoint in EVENTS that a key of this log signed, over another history."""
    checkpoint = verification.inner(entry) if entry.subject.startswith(verification.CHECKPOINT_PREFIX) else None
    if checkpoint is None or checkpoint.size > history.size:
        return None
    try:
        history.chain.verify(checkpoint)
    except BadSignature:
        return None  # of another log
    if history.root(checkpoint.size) == checkpoint.root:
        return None
    text = f"the checkpoint in event {entry.sequence} isn't one of this log"
    return Finding(Deviation.SOMEWHERE, 1, checkpoint.size, text)


async def verify_periodically(bus: Bus, history: SignedHistory, interval: timedelta) -> None:
    """Verifies all of EVENTS for the metrics, until cancelled."""
    while True:
        await asyncio.sleep(interval.total_seconds())
        try:
            history.check()
            async for frame in verify_events(bus, history, ()):
                if frame.done:
                    _log.info("EVENTS was verified", events=frame.events, seconds=frame.seconds, finding=frame.text)
        except TransientError as error:
            _log.warning("EVENTS can't be verified at present", error=str(error))
