"""Answers which mails in MAIL filelink still needs: those that it has not converted yet."""

from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_filelink.link_store import NAME
from varco_filelink.worker import DURABLE, KIND


async def serve(bus: Bus) -> None:
    """Answers questions from now on.

    A converted mail is in MAIL before its original is acknowledged.
    """

    async def needs(query: RetentionQuery) -> RetentionAnswer:
        if query.kind != KIND:
            return RetentionAnswer(needed=())
        return retention.beyond(query, await bus.mail.acknowledged(DURABLE))

    await retention.serve(bus, NAME, needs)
