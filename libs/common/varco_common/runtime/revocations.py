"""Keeps the keyring of a service up to date with the tokens that are revoked."""

import asyncio
from contextlib import aclosing

from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import TokenRevoked
from varco_common.runtime.tokens import Keyring

_FILTER = TokenRevoked.subject_filter()


class Revocations:
    """Follows TokenRevoked events.

    No token is accepted before all earlier revocations are known.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._caught_up = asyncio.Event()

    def check(self) -> None:
        """Raises TransientError until all earlier revocations are known."""
        if not self._caught_up.is_set():
            raise TransientError("the list of revoked tokens isn't read yet")

    async def follow(self, bus: Bus) -> None:
        """Revokes tokens in the keyring until it is cancelled."""
        newest = await retry_until_available(lambda: bus.events.last_sequence(_FILTER))
        if not newest:
            self._caught_up.set()
        async with aclosing(bus.events.follow(_FILTER, name="revocations")) as events:
            async for stored in events:
                if isinstance(stored.event, TokenRevoked):
                    self._keyring.revoke(stored.event.token)
                if stored.sequence >= newest:
                    self._caught_up.set()
