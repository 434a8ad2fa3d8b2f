"""Reads EVENTS up to a sequence.

Events that can't be decoded are skipped, as live projections do.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from varco_common.bus import Bus, StoredEvent
from varco_common.events import AnyEvent


async def read_events(bus: Bus, *filters: str, until: int) -> AsyncGenerator[tuple[int, AnyEvent], None]:
    """Sequence and event of all that match any filter, up to and with `until`."""
    async with aclosing(bus.events.read(*filters, after=0, last=until)) as events:
        async for stored in events:
            if isinstance(stored, StoredEvent):
                yield stored.sequence, stored.event
