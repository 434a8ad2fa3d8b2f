"""How much of MAIL is recorded in EVENTS."""

import asyncio
from typing import NamedTuple

import msgspec

from varco_audit.names import NAME
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import MailRecorded, RecordParked, decode_authenticated
from varco_common.events.audit import recorded_sequence

RECORDS = subjects.mail("*", "*")
RECORDED = MailRecorded.subject_filter()
_PARKED = RecordParked.subject_filter(NAME)
_ANY = 2**63
_POLL_SECONDS = 0.05


class RecordedPosition(NamedTuple):
    """EVENTS has all records of MAIL up to `record`. `event` is the last MailRecorded in EVENTS."""

    event: int
    record: int


async def recorded_position(bus: Bus) -> RecordedPosition:
    """A record that can't be decoded counts as recorded once it is parked.

    An event that cannot be read, or tells of a record that MAIL never had, counts for nothing.
    """
    position = await _position(bus, _ANY)
    _, newest = await bus.mail.bounds()  # asked afterwards: MAIL has what EVENTS tells of
    return position if position.record <= newest else await _position(bus, newest)


async def _position(bus: Bus, newest: int) -> RecordedPosition:
    last, recorded = await bus.events.last(RECORDED, readable=lambda event: 0 <= _recorded(event) <= newest)
    _, parked = await bus.events.last(_PARKED, readable=lambda event: 0 <= _parked(event) <= newest)
    return RecordedPosition(last, max(_recorded(recorded), _parked(parked), 0))


def _recorded(event: bytes) -> int:
    """The record that it tells of; -1 if it cannot be read."""
    try:
        return recorded_sequence(event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return -1


def _parked(event: bytes) -> int:
    """The record of MAIL that it tells of; 0 if that was an event, -1 if it cannot be read."""
    try:
        parked = decode_authenticated(_PARKED, event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return -1
    return parked.sequence if isinstance(parked, RecordParked) and parked.stream == subjects.MAIL else 0


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
