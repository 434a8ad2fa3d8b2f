"""Which records of MAIL relay still needs: those that it has not tried, and those in its queue."""

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_relay.account_worker import consumer_name
from varco_relay.model.queue import FILTERS, QueuedMail


async def serve(bus: Bus, queue: Projection[QueuedMail]) -> None:
    """Answers audit from now on, which asks every service before it erases a record."""

    async def needed(query: RetentionQuery) -> RetentionAnswer:
        if query.kind not in subjects.READY:
            return RetentionAnswer(needed=())
        # the consumer before the queue: an outcome is stored before its record is acked
        acknowledged = await bus.mail.acknowledged(consumer_name(query.account))
        await queue.reach_last(*FILTERS)
        queued = {state.sequence for _, state in queue.items()}
        needed = (sequence for sequence in query.sequences if sequence > acknowledged or sequence in queued)
        return RetentionAnswer(needed=tuple(needed))

    await retention.serve(bus, "relay", needed)
