"""What filelink still needs of MAIL: mails that it hasn't converted yet."""

from varco_common import keeping
from varco_common.bus import Bus
from varco_common.keeping import Answer, Question
from varco_filelink.store import NAME
from varco_filelink.worker import DURABLE, KIND


async def serve(bus: Bus) -> None:
    """Answers from now on. The mail that leaves is in MAIL before its original is acknowledged; files are kept elsewhere."""

    async def needs(question: Question) -> Answer:
        if question.kind != KIND:
            return Answer(needed=())
        return keeping.beyond(question, await bus.acknowledged(DURABLE))

    await keeping.serve(bus, NAME, needs)
