"""What filelink still needs of MAIL: mails that it hasn't converted yet."""

from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_filelink.link_store import NAME
from varco_filelink.worker import DURABLE, KIND


async def serve(bus: Bus) -> None:
    """Answers from now on. The mail that leaves is in MAIL before its original is acknowledged; files are kept elsewhere."""

    async def needs(question: RetentionQuery) -> RetentionAnswer:
        if question.kind != KIND:
            return RetentionAnswer(needed=())
        return retention.beyond(question, await bus.mail.acknowledged(DURABLE))

    await retention.serve(bus, NAME, needs)
