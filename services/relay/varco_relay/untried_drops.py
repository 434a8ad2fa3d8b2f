"""Drops mails that wait for their first attempt, while their route is down or all mail is held.

Correct with one relay process (docs/operations.md): another one would not know what is set aside.
"""

from collections.abc import Sequence
from typing import NamedTuple

from varco_common.base.errors import ConflictError, RefusedCommand
from varco_common.base.ids import new_id
from varco_common.base.tasks import all_results, retry_until_available
from varco_common.bus import Bus
from varco_common.eventsourcing.commands import CommandContext
from varco_relay.commands import drop_mail
from varco_relay.delivery_attempt import utc_now
from varco_relay.model.untried_mail import UntriedMail
from varco_relay.worker_supervisor import WorkerSupervisor

MAX_UNTRIED = 1_000  # among the oldest of them a mail is looked for
MAX_ALL = 5_000  # of an account in one request, which takes some seconds
_AT_ONCE = 100  # appends that wait for the bus
COPY_STAYS = "it is a copy that archive forwards: only an operator drops it"


class UntriedDropped(NamedTuple):
    """`sequence` is that of the last event.

    `left` mails still wait for their first attempt: `more` of them were not looked at, or found no
    room; the others are being tried, or their route is up.
    """

    mails: int
    left: int
    more: int = 0
    sequence: int = 0


class UntriedDrops:
    """No attempt of a mail begins while its drop is recorded."""

    def __init__(self, bus: Bus, workers: WorkerSupervisor) -> None:
        self._bus, self._workers = bus, workers

    async def drop(self, account: str, mail: str, *, by: str, reason: str) -> int:
        """The sequence of the event; 0 if no such mail of the account (empty: of any) waits.

        Raises ConflictError while an attempt that began before goes on: it may deliver the mail.
        Raises RefusedCommand for a copy, unless an operator asks: for any account.
        """
        for untried in await self._workers.untried_mails(account, MAX_UNTRIED):
            if untried.mail == mail and self._workers.waits_for(untried):
                if account and untried.is_copy:
                    raise RefusedCommand(COPY_STAYS)
                dropped = await self._drop(untried.account, [untried], by, reason)
                if dropped.left:
                    raise ConflictError(f"{mail} is being tried now: try again once the attempt has ended")
                return dropped.sequence
        return 0

    async def drop_all(self, account: str, *, by: str, reason: str) -> UntriedDropped:
        """The oldest mails of the account whose route is down. Copies stay."""
        total = await self._workers.untried(account)
        if not total or self._workers.takes_all(account):
            return UntriedDropped(0, total)
        found = await self._workers.droppable(account, MAX_ALL)
        dropped = await self._drop(account, found.mails, by, reason)
        left = dropped.left + len(found.others) + found.more
        return dropped._replace(left=left, more=dropped.more + found.more)

    async def _drop(self, account: str, mails: Sequence[UntriedMail], by: str, reason: str) -> UntriedDropped:
        context, sequence = CommandContext(account, utc_now(), by, reason), 0
        async with self._workers.set_aside(account, mails) as waiting:
            lost = [mail for mail in waiting if mail.recipients]  # the others have come to their end
            for first in range(0, len(lost), _AT_ONCE):
                drops = [self._append(mail, context) for mail in lost[first : first + _AT_ONCE]]
                sequence = max(await all_results(drops))
            tried = sum(map(self._workers.is_tried_now, mails))
        left = len(mails) - len(waiting)
        return UntriedDropped(len(lost), left, max(0, left - tried), sequence)

    async def _append(self, mail: UntriedMail, context: CommandContext) -> int:
        """Repeats it while the bus is away: after an error, EVENTS may have the drop already."""
        event, once = drop_mail(mail, context), f"{mail.mail}.dropped.{new_id()}"
        sequence = await retry_until_available(lambda: self._bus.events.append(event, once=once), "a drop waits")
        self._workers.on_queue_event(mail.mail, event)  # before the block of `set_aside` ends
        return sequence
