"""An account's settings at a time, each with the event that made it so: asked of every service that has some."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

from varco_audit.replay.replay_client import replay_frames
from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import ReplayFailed, SettingsItem, StateQuestion, UnreadableMail

SERVICES = ("policy", "relay", "ratelimit", "filelink", "archive", "banguard")


class PointInTime(NamedTuple):
    """The place in EVENTS that is meant, and its time."""

    sequence: int
    at: datetime


class PastSettings(NamedTuple):
    """`missing` says by service why it has told nothing; `unreadable` are sequences of events that can't be read."""

    point_in_time: PointInTime
    items: list[SettingsItem]
    missing: dict[str, str]
    unreadable: list[int]


async def point_in_time(bus: Bus, at: datetime | int) -> PointInTime:
    """From a time, or a sequence of EVENTS. Raises NotFound, RefusedCommand."""
    if isinstance(at, datetime):
        if at > datetime.now(UTC):
            raise RefusedCommand(f"{at.isoformat()} is yet to come")
        return PointInTime(await bus.events.first_at(at) - 1, at)
    last = await bus.events.last_sequence("events.>")
    if not 0 < at <= last:
        raise NotFound(f"there is no event {at}: the last one is {last}")
    return PointInTime(at, datetime.fromtimestamp((await bus.events.get(at)).at / 1e9, UTC))


async def settings_at(bus: Bus, account: str, moment: PointInTime, *, own: bool) -> PastSettings:
    """`own`: what is the account's own business alone. A service that doesn't answer is named, not passed over."""
    question = StateQuestion(frames="", last=moment.sequence, account=account, at=moment.at, own=own)
    told = await asyncio.gather(*(_of(bus, service, question) for service in SERVICES))
    items = [item for one in told for item in one[0]]
    missing = {service: why for service, (_, why, _) in zip(SERVICES, told, strict=True) if why}
    return PastSettings(moment, items, missing, sorted({sequence for one in told for sequence in one[2]}))


async def _of(bus: Bus, service: str, question: StateQuestion) -> tuple[list[SettingsItem], str, list[int]]:
    items: list[SettingsItem] = []
    unreadable: list[int] = []
    try:
        async with aclosing(replay_frames(bus, service, question)) as frames:
            async for frame in frames:
                match frame:
                    case SettingsItem():
                        items.append(frame)
                    case UnreadableMail(sequence=sequence):
                        unreadable.append(sequence)
                    case ReplayFailed(why=why):
                        return [], why, unreadable
                    case _:
                        pass
    except TransientError as error:
        return [], str(error), unreadable
    return items, "", unreadable
