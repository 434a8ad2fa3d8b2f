"""Follows events from their beginning, and tells when those from before the start are applied."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from varco_common.base.tasks import retry_until_available
from varco_common.bus import UNUSABLE, Bus, StoredEvent


async def follow_events(
    bus: Bus, *filters: str, apply: Callable[[StoredEvent], None], caught_up: asyncio.Event, name: str = ""
) -> None:
    """Calls `apply` with each event, until it is cancelled.

    Sets `caught_up` when all events from before the call are applied. `name` is for the metrics.
    A message that cannot be applied is parked and passed over: none may stop the service.
    A bug in `apply` ends it.
    """
    newest = await retry_until_available(lambda: bus.events.last_sequence(*filters))
    if not newest:
        caught_up.set()
    async with aclosing(bus.events.follow(*filters, name=name)) as events:
        async for stored in events:
            if isinstance(stored, StoredEvent):
                try:
                    apply(stored)
                except UNUSABLE as error:
                    await bus.events.park_unapplied(stored, f"{name}: {error!r}")
            if stored.sequence >= newest:
                caught_up.set()
