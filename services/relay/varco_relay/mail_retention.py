"""Which records of MAIL relay still needs: those that it has not tried, and those in its queue."""

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_relay.account_worker import consumer_name
from varco_relay.model.queue import FILTERS, QueuedMail


class RelayRetention:
    """Answers audit, which asks every service before it erases a record."""

    def __init__(self, bus: Bus, queue: Projection[QueuedMail]) -> None:
        self._bus, self._queue = bus, queue

    async def needed(self, query: RetentionQuery) -> RetentionAnswer:
        """Asks the consumer before the queue: an outcome is stored before its record is acked."""
        if query.kind not in subjects.READY:
            return RetentionAnswer(needed=())
        acknowledged = await self._bus.mail.acknowledged(consumer_name(query.account))
        await self._queue.reach_last(*FILTERS)
        queued = {state.sequence for _, state in self._queue.items()}
        needed = (sequence for sequence in query.sequences if sequence > acknowledged or sequence in queued)
        return RetentionAnswer(needed=tuple(needed))

    async def serve(self) -> None:
        """Answers from now on."""
        await retention.serve(self._bus, "relay", self.needed)
