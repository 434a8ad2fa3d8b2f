"""Whose turn it is: one process of several does what needs doing once. Who falls silent loses it."""

from time import monotonic

from varco_common.base.errors import ConflictError
from varco_common.base.ids import new_id
from varco_common.bus import Bus


class LeaderLease:
    """Held by whoever writes a new sign of life at `lease.<name>`; another takes it after `lapse` seconds without one.

    No clocks are compared. A process that stood still may believe for a moment that it has the turn, beside the one that
    took it: this is for work that bears being done twice.
    """

    def __init__(self, bus: Bus, name: str, lapse: float) -> None:
        self._bus, self._name, self._lapse = bus, name, lapse
        self._identity = new_id().encode()
        self._seen = -1
        self._since = 0.0

    async def mine(self) -> bool:
        """Takes or keeps the turn where that may be. Raises TransientError."""
        sequence, holder = await self._bus.leases.get(self._name)
        if sequence and holder != self._identity:
            if sequence != self._seen:
                self._seen, self._since = sequence, monotonic()
            if monotonic() - self._since < self._lapse:
                return False
        try:
            await self._bus.leases.replace(self._name, self._identity, expect=sequence)
        except ConflictError:
            return False
        return True
