"""The replay check: every voter casts its votes again, and what differs from the record is told."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

from varco_audit.names import NAME
from varco_audit.recording.recorded_extent import recorded_extent
from varco_audit.replay.output_lines import (
    CombinedProgress,
    DifferenceLine,
    FailedLine,
    OutputLine,
    UnreadableLine,
    VerifyDone,
)
from varco_audit.replay.replay_client import merged_replay_frames
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    ReplayDone,
    ReplayFailed,
    ReplayProgress,
    UnreadableMail,
    VerifyQuestion,
    VoteDifference,
)


async def verify(
    bus: Bus, voters: Sequence[str], since: datetime, until: datetime, account: str = ""
) -> AsyncGenerator[OutputLine, None]:
    """Lines up to Verified or Broken. Raises TransientError, and ConflictError where another rehearsal goes on."""
    last, complete = await recorded_extent(bus)
    question = VerifyQuestion(frames="", last=last, since=since, until=until, account=account, complete=complete)
    services = (*voters, NAME)
    counts: dict[str, dict[str, int]] = {}
    pace, unreadable = CombinedProgress(services), set[int]()
    async with aclosing(merged_replay_frames(bus, dict.fromkeys(services, question))) as said:
        async for service, frame in said:
            match frame:
                case ReplayProgress():
                    yield pace.said(service, frame)
                case VoteDifference(mail=mail, voter=voter, fields=fields, recorded=recorded, again=again):
                    yield DifferenceLine(mail=mail, voter=voter, fields=fields, recorded=recorded, again=again)
                case UnreadableMail(sequence=sequence, why=why) if sequence not in unreadable:
                    unreadable.add(sequence)
                    yield UnreadableLine(sequence=sequence, why=why, service=service)
                case ReplayFailed(why=why):
                    yield FailedLine(why=f"{service}: {why}")
                    return
                case ReplayDone():
                    counts[service] = frame.counts
                    yield pace.done(service)
                case _:
                    pass
    differences = sum(one.get("differences", 0) for one in counts.values())
    yield VerifyDone(
        since=since, until=until, events=last, differences=differences, unreadable=len(unreadable), counts=counts
    )
