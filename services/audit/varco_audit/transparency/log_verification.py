"""All of EVENTS read again and held against checkpoints, with progress; the answer to `varco audit verify`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from time import monotonic, time

import msgspec

from varco_audit.transparency.signed_history import ALL, SignedHistory, read_entries
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.bus.streams import DAY, TEN_YEARS
from varco_common.transparency import verification
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.signed_note import BadSignature
from varco_common.transparency.verification import BadHashes, Deviation, Finding, Forked, HistoryVerifier

_PROGRESS = 20_000
_LATE = DAY  # the bus takes its time to let events go
_log = log.get(__name__)


class VerificationFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the answer. The last one has `done`; it is good where it names no `departure`.

    `events` were read; `of` there are; `signed` are covered by a checkpoint. `note` is what else is to be said.
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


def expired(entry: LogEntry) -> bool:
    """Whether those before the first event there is can be gone because their time was over."""
    return time() - entry.at / 1e9 > TEN_YEARS - _LATE


async def verify_events(
    bus: Bus, history: SignedHistory, given: Sequence[Checkpoint], first: int = 1
) -> AsyncIterator[VerificationFrame]:
    """Frames of progress, then the last. `given` are checkpoints from elsewhere; the last one signed here is added to them."""
    began = monotonic()
    await history.catch_up()
    try:
        checkpoints = _trusted(history, given)
    except (BadSignature, Forked) as error:
        yield VerificationFrame(done=True, departure="checkpoint", text=str(error))
        return
    hashes, note = await _fitting(history, checkpoints)
    verifier = HistoryVerifier(checkpoints, hashes, first)
    of, events, finding = await bus.events.last_sequence(ALL), 0, None
    async with aclosing(read_entries(bus, first - 1, of)) as entries:
        async for entry in entries:
            if not events and hashes and expired(entry):
                verifier = HistoryVerifier(checkpoints, hashes, entry.sequence)
            events += 1
            if finding := verifier.push(entry) or _inner(history, entry):
                break
            if events % _PROGRESS == 0:
                yield VerificationFrame(events=events, of=of, signed=verifier.size, seconds=monotonic() - began)
    finding = finding or verifier.end()
    last = VerificationFrame(
        events=events, of=of, signed=verifier.size, seconds=monotonic() - began, done=True, note=note
    )
    yield _departed(history, last, finding) if finding else last


def _trusted(history: SignedHistory, given: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Raises BadSignature or Forked."""
    for one in given:
        history.chain.verify(one)
    try:
        return verification.in_order([*given, *([history.last.checkpoint] if history.last else [])])
    except Forked as error:
        history.failed(str(error))
        raise


async def _fitting(history: SignedHistory, checkpoints: Sequence[Checkpoint]) -> tuple[verification.Hashes | None, str]:
    """The tree's own leaf hashes where they fit the checkpoints, else none, and why."""
    try:
        await asyncio.to_thread(verification.fits, history.levels.leaves(), checkpoints)
    except BadHashes as error:
        return None, f"{error}: a departure can't be named exactly"
    return history.levels.leaf, ""


def _departed(history: SignedHistory, frame: VerificationFrame, finding: Finding) -> VerificationFrame:
    history.failed(finding.text)
    departure, sequence, until, text = finding
    return msgspec.structs.replace(frame, departure=departure, sequence=sequence, until=until, text=text)


def _inner(history: SignedHistory, entry: LogEntry) -> Finding | None:
    """A checkpoint that stands in the log must be one of this log."""
    checkpoint = verification.inner(entry) if entry.subject.startswith(verification.SIGNED_HERE) else None
    if checkpoint is None or checkpoint.size > history.size:
        return None
    try:
        history.chain.verify(checkpoint)
    except BadSignature:
        return None  # a stranger's
    if history.root(checkpoint.size) == checkpoint.root:
        return None
    text = f"the checkpoint in event {entry.sequence} isn't one of this log"
    return Finding(Deviation.SOMEWHERE, 1, checkpoint.size, text)


async def verify_periodically(bus: Bus, history: SignedHistory, every: timedelta) -> None:
    """Verifies all of EVENTS now and then, for the metric; until cancelled."""
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            history.check()
            async for frame in verify_events(bus, history, ()):
                if frame.done:
                    _log.info("EVENTS was verified", events=frame.events, seconds=frame.seconds, found=frame.text)
        except TransientError as error:
            _log.warning("EVENTS was not verified", error=str(error))
