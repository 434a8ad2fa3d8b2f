"""A next hop that takes its time over one mail."""

import asyncio

from varco_common.testing.next_hop import NextHop


class SlowEnd:
    """The next hop answers the end of the first mail when it is `free`."""

    def __init__(self, hop: NextHop) -> None:
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        hop.before_end = self._wait

    async def _wait(self) -> None:
        if not self.begun.is_set():
            self.begun.set()
            await self.free.wait()
