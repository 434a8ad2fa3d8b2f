"""Answers which mails archive still needs: not indexed, in a mailbox, or to be forwarded."""

from varco_archive.copy_index import CopyIndex
from varco_archive.copy_indexer import BEGUN, DURABLE, KINDS
from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery


async def serve(bus: Bus, index: CopyIndex, service: str) -> None:
    """Answers questions from now on.

    A copy that left its mailbox is to be overwritten: its removal promised that.
    """

    async def needs(query: RetentionQuery) -> RetentionAnswer:
        if query.kind not in KINDS:
            return RetentionAnswer(needed=())
        # the consumer first: a row is in the index before its record is acknowledged
        floor = await bus.mail.acknowledged(DURABLE)
        if not await index.mark(BEGUN):  # a new index lacks rows that the consumer acknowledged
            return retention.all_of(query)
        needed, removed = await index.needed_and_removed(query.sequences)
        return RetentionAnswer(
            needed=tuple(sequence for sequence in query.sequences if sequence > floor or sequence in needed),
            wiped=tuple(sequence for sequence in query.sequences if sequence in removed),
        )

    await retention.serve(bus, service, needs)
