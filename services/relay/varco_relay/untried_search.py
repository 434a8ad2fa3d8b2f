"""Finds an account's mails that had no attempt yet: in hand, then behind those in MAIL."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

from varco_common.base import subjects
from varco_common.bus import Bus, DurableConsumer
from varco_common.mail.record import decode_record
from varco_relay.model.untried_mail import UntriedMail

Wanted = Callable[[UntriedMail], bool]
_COPY = subjects.mail("copy", "")  # how the subject of a copy begins


class FoundUntried(NamedTuple):
    """The oldest mails that are wanted.

    `others` are those that were passed over. `more`, of any kind, were not looked at.
    """

    mails: list[UntriedMail]
    others: list[UntriedMail]
    more: int = 0


async def find_untried(
    bus: Bus, consumer: DurableConsumer, account: str, *, limit: int, wanted: Wanted, on_place: Callable[[int], None]
) -> FoundUntried:
    """At most `limit` mails. Tells `on_place` the last sequence that the bus has handed out."""
    place = await consumer.place()
    on_place(place.handed_out)
    found, looked_at = FoundUntried([], []), 0
    in_hand = [UntriedMail.of(d.sequence, d.record, is_copy=d.subject.startswith(_COPY)) for d in consumer.in_hand()]
    async with aclosing(_all(bus, account, in_hand, place.handed_out, place.behind)) as mails:
        async for mail in mails:
            if len(found.mails) == limit:
                break
            looked_at += 1
            if mail:
                (found.mails if wanted(mail) else found.others).append(mail)
    return found._replace(more=max(0, place.pending - looked_at))


async def _all(
    bus: Bus, account: str, in_hand: list[UntriedMail], after: int, behind: int
) -> AsyncGenerator[UntriedMail | None, None]:
    """None for a record that nobody can read. A mail may have come to hand since `behind`."""
    for mail in in_hand:
        yield mail
    if not behind:
        return
    known = {mail.sequence for mail in in_hand}
    filters = (subjects.mail(kind, subjects.token(account)) for kind in subjects.READY)
    async with aclosing(bus.mail.follow(*filters, after=after)) as records:
        async for stored in records:
            if stored.sequence not in known:
                is_copy = stored.subject.startswith(_COPY)
                mail_or_none = decode_record(stored.record) if stored.record else None
                yield UntriedMail.of(stored.sequence, mail_or_none, is_copy=is_copy) if mail_or_none else None
            behind -= 1
            if not behind or not stored.pending:
                return
