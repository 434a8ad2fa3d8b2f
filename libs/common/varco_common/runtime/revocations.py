"""Keeps the keyring of a service up to date with the tokens that are revoked."""

import asyncio

from varco_common.base.errors import TransientError
from varco_common.bus import Bus, StoredEvent
from varco_common.events import TokenRevoked
from varco_common.runtime.event_follower import follow_events
from varco_common.runtime.tokens import Keyring

REVOKED = TokenRevoked.subject_filter()


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
        await follow_events(bus, REVOKED, apply=self._apply, caught_up=self._caught_up, name="revocations")

    def _apply(self, stored: StoredEvent) -> None:
        if isinstance(stored.event, TokenRevoked):
            self._keyring.revoke(stored.event.token)
