"""How far EVENTS can be read so that every mail of now is in it."""

import asyncio

from varco_audit.scribe import RECORDED, RECORDS
from varco_common.bus import Bus
from varco_common.events.audit import recorded_sequence

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


async def reach(bus: Bus) -> int:
    """The last sequence of EVENTS, once all that MAIL has now is written down in it, or after some seconds all the same."""
    mail = await bus.last_record(RECORDS)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while mail:
                _, event = await bus.last_event(RECORDED)
                if event and recorded_sequence(event) >= mail:
                    break
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pass  # what isn't written down yet isn't looked at: it is of the last seconds, or parked
    return await bus.last_sequence("events.>")
