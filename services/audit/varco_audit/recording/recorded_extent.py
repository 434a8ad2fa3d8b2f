"""How far EVENTS can be read so that every mail of now is in it."""

import asyncio
from typing import NamedTuple

from varco_audit.recording.mail_recorder import RECORDED, RECORDS
from varco_common.bus import Bus
from varco_common.events.audit import recorded_sequence

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class RecordedExtent(NamedTuple):
    """The last sequence of EVENTS; `complete`: all that MAIL had is written down by then."""

    last: int
    complete: bool


async def recorded_extent(bus: Bus) -> RecordedExtent:
    """Once all that MAIL has now is written down, or after some seconds all the same."""
    mail = await bus.mail.last_sequence(RECORDS)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while mail:
                _, event = await bus.events.last(RECORDED)
                if event and recorded_sequence(event) >= mail:
                    break
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        return RecordedExtent(await bus.events.last_sequence("events.>"), complete=False)
    return RecordedExtent(await bus.events.last_sequence("events.>"), complete=True)
