"""The replay check: every voter casts its votes again, and what differs from the record is told."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

from varco_audit.names import NAME
from varco_audit.replay.asking import together
from varco_audit.replay.lines import Broken, Differs, Line, Pace, Unread, Verified
from varco_audit.replay.reach import reach
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
) -> AsyncGenerator[Line, None]:
    """Lines up to Verified or Broken. Raises TransientError, and ConflictError where another rehearsal goes on."""
    last, complete = await reach(bus)
    question = VerifyQuestion(frames="", last=last, since=since, until=until, account=account, complete=complete)
    services = (*voters, NAME)
    counts: dict[str, dict[str, int]] = {}
    pace, unreadable = Pace(services), set[int]()
    async with aclosing(together(bus, dict.fromkeys(services, question))) as said:
        async for service, frame in said:
            match frame:
                case ReplayProgress():
                    yield pace.said(service, frame)
                case VoteDifference(mail=mail, voter=voter, fields=fields, recorded=recorded, again=again):
                    yield Differs(mail=mail, voter=voter, fields=fields, recorded=recorded, again=again)
                case UnreadableMail(sequence=sequence, why=why) if sequence not in unreadable:
                    unreadable.add(sequence)
                    yield Unread(sequence=sequence, why=why, service=service)
                case ReplayFailed(why=why):
                    yield Broken(why=f"{service}: {why}")
                    return
                case ReplayDone():
                    counts[service] = frame.counts
                    yield pace.done(service)
                case _:
                    pass
    differences = sum(one.get("differences", 0) for one in counts.values())
    yield Verified(
        since=since, until=until, events=last, differences=differences, unreadable=len(unreadable), counts=counts
    )
