"""How much of MAIL is recorded in EVENTS."""

import asyncio
from typing import NamedTuple

from varco_audit.names import NAME
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import MailRecorded, RecordParked, decode_authenticated
from varco_common.events.audit import recorded_sequence

RECORDS = subjects.mail("*", "*")
RECORDED = MailRecorded.subject_filter()
_PARKED = RecordParked.subject_filter(NAME)
_POLL_SECONDS = 0.05


class RecordedPosition(NamedTuple):
    """EVENTS has all records of MAIL up to `record`. `event` is the last MailRecorded in EVENTS."""

    event: int
    record: int


async def recorded_position(bus: Bus) -> RecordedPosition:
    """A record that can't be decoded counts as recorded once it is parked."""
    last, recorded = await bus.events.last(RECORDED)
    record = recorded_sequence(recorded) if recorded else 0
    _, payload = await bus.events.last(_PARKED)
    parked = decode_authenticated(_PARKED, payload) if payload else None
    if isinstance(parked, RecordParked) and parked.stream == subjects.MAIL:
        record = max(record, parked.sequence)
    return RecordedPosition(last, record)


async def wait_until_recorded(bus: Bus, timeout: float) -> bool:
    """Waits until EVENTS has all records of MAIL. False if `timeout` seconds were too few."""
    last = await bus.mail.last_sequence(RECORDS)
    try:
        async with asyncio.timeout(timeout):
            while last and (await recorded_position(bus)).record < last:  # noqa: ASYNC110 - the bus must be asked
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True
