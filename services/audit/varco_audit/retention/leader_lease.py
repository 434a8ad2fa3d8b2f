"""A lease on the bus, so that one process of several does a task."""

from time import monotonic

from varco_common.base.errors import ConflictError
from varco_common.base.ids import new_id
from varco_common.bus import Bus


class LeaderLease:
    """The leader renews `lease.<name>`. After `lapse` seconds without a renewal another takes it.

    No clocks are compared. A process that was suspended may believe for a moment that it still
    leads, so the task must tolerate being done twice.
    """

    def __init__(self, bus: Bus, name: str, lapse: float) -> None:
        self._bus, self._name, self._lapse = bus, name, lapse
        self._identity = new_id().encode()
        self._seen = -1  # the sequence of the last renewal by another process
        self._seen_at = 0.0

    async def acquire(self) -> bool:
        """Takes or renews the lease. False if another process holds it. Raises TransientError."""
        sequence, holder = await self._bus.leases.get(self._name)
        if sequence and holder != self._identity:
            if sequence != self._seen:
                self._seen, self._seen_at = sequence, monotonic()
            if monotonic() - self._seen_at < self._lapse:
                return False
        try:
            await self._bus.leases.replace(self._name, self._identity, expect=sequence)
        except ConflictError:
            return False
        return True
