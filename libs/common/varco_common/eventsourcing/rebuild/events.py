"""EVENTS up to a sequence, decoded; what can't be is passed over, as live projections park it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from varco_common.bus import Bus
from varco_common.events import AnyEvent, decode_authenticated


async def read(bus: Bus, *filters: str, until: int) -> AsyncGenerator[tuple[int, AnyEvent], None]:
    """Sequence and event of all that match any filter; `until` is the sequence of one of them, or 0: nothing."""
    if not until:
        return
    async with aclosing(bus.events.follow_raw(*filters)) as events:
        async for one in events:
            if one.sequence > until:
                return
            if one.own and (event := _decoded(one.subject, one.payload)):
                yield one.sequence, event
            if one.sequence >= until:
                return


def _decoded(subject: str, payload: bytes) -> AnyEvent | None:
    try:
        return decode_authenticated(subject, payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
