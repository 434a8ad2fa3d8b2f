"""Replays take turns: each service performs one at a time, whoever asks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from varco_common.base.errors import ConflictError
from varco_common.runtime.fair_queue import FairQueue

MAX_WAITING = 3  # replays of one account that wait
ACCOUNT_SECONDS = 120.0  # for a replay that an account's token asked for
ADMIN_SECONDS = 6 * 3600.0  # a year of mails takes minutes


class ReplayTurns:
    """Accounts take turns, and an account's replay that takes too long loses its turn."""

    def __init__(self) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._busy = False

    @asynccontextmanager
    async def turn(self, key: str, seconds: float) -> AsyncIterator[None]:
        """The block has its turn for at most `seconds`; then the next one begins.

        Raises ConflictError if too many replays of this key wait already.
        """
        await self._begin(key)
        release = _Once(self._pass_on)
        timer = asyncio.get_running_loop().call_later(seconds, release)
        try:
            yield
        finally:
            timer.cancel()
            release()

    async def _begin(self, key: str) -> None:
        if not self._busy:
            self._busy = True
            return
        if self._queue.waiting(key) >= MAX_WAITING:
            raise ConflictError(f"{MAX_WAITING} replays of yours wait already: ask again when one has ended")
        turn = asyncio.get_running_loop().create_future()
        self._queue.push(key, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._queue:
            turn = self._queue.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False


class _Once:
    """Calls a function the first time that it is called itself."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __call__(self) -> None:
        function, self._function = self._function, lambda: None
        function()
