"""The settings of an account at a time, each with the event that made it so."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

from varco_audit.replay.replay_client import replay_frames
from varco_audit.table_projection import ALL_EVENTS
from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import ReplayFailed, SettingsItem, StateQuestion, UnreadableMail

SERVICES = ("policy", "relay", "ratelimit", "filelink", "archive", "banguard", "domains")


class PointInTime(NamedTuple):
    """The last event that counts, and its time."""

    sequence: int
    at: datetime


class PastSettings(NamedTuple):
    """`missing` are services that failed, with the reason. `unreadable` are sequences of events."""

    items: list[SettingsItem]
    missing: dict[str, str]
    unreadable: set[int]


async def point_in_time(bus: Bus, at: datetime | int) -> PointInTime:
    """`at` is a time or a sequence of EVENTS. Raises NotFound or RefusedCommand."""
    if isinstance(at, datetime):
        if at > datetime.now(UTC):
            raise RefusedCommand(f"{at.isoformat()} is yet to come")
        return PointInTime(await bus.events.first_at(at, ALL_EVENTS) - 1, at)
    last = await bus.events.last_sequence(ALL_EVENTS)
    if not 0 < at <= last:
        raise NotFound(f"there is no event {at}: the last one is {last}")
    return PointInTime(at, datetime.fromtimestamp((await bus.events.get(at)).at / 1e9, UTC))


async def settings_at(
    bus: Bus, account: str, point: PointInTime, *, own: bool, services: Sequence[str] = SERVICES
) -> PastSettings:
    """Asks these services. With `own`, only what is the account's own business."""
    question = StateQuestion(frames="", last=point.sequence, account=account, at=point.at, own=own)
    settings = PastSettings([], {}, set())
    for part in await asyncio.gather(*(_settings_of(bus, service, question) for service in services)):
        settings.items.extend(part.items)
        settings.missing.update(part.missing)
        settings.unreadable.update(part.unreadable)
    return settings


async def _settings_of(bus: Bus, service: str, question: StateQuestion) -> PastSettings:
    settings = PastSettings([], {}, set())
    try:
        async with aclosing(replay_frames(bus, service, question)) as frames:
            async for frame in frames:
                match frame:
                    case SettingsItem():
                        settings.items.append(frame)
                    case UnreadableMail(sequence=sequence):
                        settings.unreadable.add(sequence)
                    case ReplayFailed(why=why):
                        settings.missing[service] = why
                    case _:
                        pass
    except TransientError as error:
        settings.missing[service] = str(error)
    if settings.missing:
        settings.items.clear()  # a part of a service's settings would pass for all of them
    return settings
