"""What archive still needs of MAIL: what it hasn't indexed, what is in a mailbox, what is still to be forwarded."""

from varco_archive.copy_index import CopyIndex
from varco_archive.copy_indexer import BEGUN, DURABLE, KINDS
from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery


class MailRetention:
    """A copy that has left its mailbox is to be overwritten: whoever took it out was promised that it is gone."""

    def __init__(self, bus: Bus, index: CopyIndex) -> None:
        self._bus, self._index = bus, index

    async def needs(self, question: RetentionQuery) -> RetentionAnswer:
        """A row is in the index before its record is acknowledged, so the consumer is looked at first."""
        if question.kind not in KINDS:
            return RetentionAnswer(needed=())
        floor = await self._bus.mail.acknowledged(DURABLE)
        if not await self._index.mark(BEGUN):  # the index is a new one: the consumer knows more than it
            return retention.all_of(question)
        kept, left = await self._index.kept(question.sequences)
        return RetentionAnswer(
            needed=tuple(one for one in question.sequences if one > floor or one in kept),
            wiped=tuple(one for one in question.sequences if one in left),
        )

    async def serve(self, service: str) -> None:
        """Answers from now on."""
        await retention.serve(self._bus, service, self.needs)
