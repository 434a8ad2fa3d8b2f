"""Has every voter cast its past votes again, and shows what differs from the record."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

from varco_audit.names import NAME
from varco_audit.recording.recorded_position import wait_until_recorded
from varco_audit.replay.output_lines import (
    CombinedProgress,
    DifferenceLine,
    FailedLine,
    OutputLine,
    UnreadableLine,
    VerifyDone,
)
from varco_audit.replay.replay_client import merged_replay_frames
from varco_audit.table_projection import ALL_EVENTS
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    ReplayDone,
    ReplayFailed,
    ReplayProgress,
    UnreadableMail,
    VerifyQuestion,
    VoteDifference,
)

RECORDED_SECONDS = 10.0  # how long a replay waits until EVENTS has all mails of now


async def verify(
    bus: Bus, voters: Sequence[str], since: datetime, until: datetime, account: str = ""
) -> AsyncGenerator[OutputLine, None]:
    """Lines up to VerifyDone or FailedLine.

    Raises TransientError, or ConflictError if another replay is running.
    """
    complete = await wait_until_recorded(bus, RECORDED_SECONDS)
    last = await bus.events.last_sequence(ALL_EVENTS)
    question = VerifyQuestion(frames="", last=last, since=since, until=until, account=account, complete=complete)
    services = (*voters, NAME)
    counts: dict[str, dict[str, int]] = {}
    progress, unreadable = CombinedProgress(services), set[int]()
    async with aclosing(merged_replay_frames(bus, dict.fromkeys(services, question))) as frames:
        async for service, frame in frames:
            match frame:
                case ReplayProgress():
                    yield progress.update(service, frame)
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
                    yield progress.finish(service)
                case _:
                    pass
    differences = sum(count.get("differences", 0) for count in counts.values())
    yield VerifyDone(
        since=since, until=until, events=last, differences=differences, unreadable=len(unreadable), counts=counts
    )
