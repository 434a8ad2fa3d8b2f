"""Replays take turns: each service performs one at a time, whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from varco_common.base.errors import ConflictError
from varco_common.runtime.fair_queue import FairSemaphore
from varco_common.runtime.tokens import ApiToken

MAX_WAITING = 3  # replays of one account that wait
ACCOUNT_SECONDS = 120.0  # for a replay that an account's token asked for
ADMIN_SECONDS = 6 * 3600.0  # a year of mails takes minutes


def seconds_for(token: ApiToken) -> float:
    """How long a replay may last that this token asked for."""
    return ADMIN_SECONDS if token.is_admin else ACCOUNT_SECONDS


class ReplayTurns:
    """Accounts take turns, and an account's replay that takes too long loses its turn."""

    def __init__(self) -> None:
        self._turns = FairSemaphore(1)

    @asynccontextmanager
    async def turn(self, key: str, seconds: float) -> AsyncIterator[None]:
        """The block has its turn for at most `seconds`; then the next one begins.

        Raises ConflictError if too many replays of this key wait already.
        """
        if self._turns.waiting(key) >= MAX_WAITING:
            raise ConflictError(f"{MAX_WAITING} replays of yours wait already: ask again when one has ended")
        await self._turns.acquire(key)
        with ExitStack() as turn:
            turn.callback(self._turns.release)
            timer = asyncio.get_running_loop().call_later(seconds, turn.close)
            turn.callback(timer.cancel)
            yield
