"""The copies that archive forwards: mail of an account's route that is not the account's own."""

from collections.abc import Sequence
from contextlib import aclosing

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.mail.record import decode_record
from varco_relay.model.queue import QueuedMail


async def copies_among(bus: Bus, account: str, mails: Sequence[QueuedMail]) -> set[str]:
    """The ids of the copies among the account's mails, as MAIL tells: no event does."""
    subject = subjects.mail("copy", subjects.token(account))
    first = min((mail.sequence for mail in mails), default=0)
    last = min(max((mail.sequence for mail in mails), default=0), await bus.mail.last_sequence(subject))
    if not mails or last < first:
        return set()
    wanted, found = {mail.mail for mail in mails}, set()
    async with aclosing(bus.mail.follow(subject, after=first - 1)) as records:
        async for stored in records:
            found |= {decode_record(stored.record).envelope.id} & wanted if stored.record else set()
            if stored.sequence >= last or not stored.pending:
                break
    return found
