"""Which sequences EVENTS has. The tables may have events that it has no longer, or never had."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from varco_common.base.errors import TransientError
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus import Bus

_KNOWN_SECONDS = 5.0  # EVENTS loses what is ten years old: some seconds more are nothing


class StreamBounds:
    """The first and the last sequence of EVENTS, asked again after some seconds.

    While the bus is away, the first is that of the last answer, and there is no last.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._first, self._last = 0, MAX_SEQUENCE
        self._asking = asyncio.Lock()
        self._known_until = 0.0

    async def within(self, sequences: Sequence[int]) -> list[int]:
        """Those of the sequences that EVENTS may have, in the given order."""
        newest = max(sequences, default=0)
        async with self._asking:
            if newest > self._last or monotonic() >= self._known_until:
                await self._ask()
            return [sequence for sequence in sequences if self._first <= sequence <= self._last]

    async def _ask(self) -> None:
        try:
            self._bus.check()  # a question to a bus that is away would wait for it
            self._first, self._last = await self._bus.events.bounds()
        except TransientError:
            self._last = MAX_SEQUENCE  # events that came after the last answer are shown
        self._known_until = monotonic() + _KNOWN_SECONDS
