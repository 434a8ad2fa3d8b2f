"""What relay still needs of MAIL: what it hasn't tried yet, what waits for another try, and what a sender is to be told of."""

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_relay.account_worker import consumer_name
from varco_relay.model.queue import FILTERS, QueuedMail


class MailRetention:
    """`queue` is asked after it has seen all that was said before the consumer finished."""

    def __init__(self, bus: Bus, queue: Projection[QueuedMail]) -> None:
        self._bus, self._queue = bus, queue

    async def needs(self, question: RetentionQuery) -> RetentionAnswer:
        """An outcome is in EVENTS before its record is acknowledged, so the consumer is looked at first."""
        if question.kind not in subjects.READY:
            return RetentionAnswer(needed=())
        floor = await self._bus.mail.acknowledged(consumer_name(question.account))
        await self._queue.reached(await self._bus.events.last_sequence(*FILTERS))
        waiting = {state.sequence for _, state in self._queue.items()}
        return RetentionAnswer(needed=tuple(one for one in question.sequences if one > floor or one in waiting))

    async def serve(self) -> None:
        """Answers from now on."""
        await retention.serve(self._bus, "relay", self.needs)
