"""Drops mails that wait for their first attempt, while their route is down or all mail is held."""

from collections.abc import Sequence
from typing import NamedTuple

from varco_common.base.errors import ConflictError
from varco_common.base.tasks import all_results
from varco_common.bus import Bus
from varco_common.eventsourcing.commands import CommandContext
from varco_relay.commands import drop_mail
from varco_relay.delivery_attempt import utc_now
from varco_relay.model.untried_mail import UntriedMail
from varco_relay.worker_supervisor import WorkerSupervisor

MAX_UNTRIED = 1_000  # among the oldest of them a mail is looked for
_MAX_ALL = 5_000  # of an account in one request, which takes some seconds
_AT_ONCE = 100  # appends that wait for the bus


class UntriedDropped(NamedTuple):
    """`sequence` is that of the last event; `left` mails are being tried, or were not looked at."""

    mails: int
    left: int
    sequence: int = 0


class UntriedDrops:
    """No attempt of a mail begins while its drop is recorded."""

    def __init__(self, bus: Bus, workers: WorkerSupervisor) -> None:
        self._bus, self._workers = bus, workers

    async def drop(self, account: str, mail: str, *, by: str, reason: str) -> int:
        """The sequence of the event; 0 if no such mail of the account (empty: of any) waits.

        Raises ConflictError while an attempt that began before goes on: it may deliver the mail.
        """
        for untried in await self._workers.untried_mails(account, MAX_UNTRIED):
            if untried.mail == mail and self._workers.destination(untried.account).down_reason:
                dropped = await self._drop(untried.account, [untried], by, reason)
                if dropped.left:
                    raise ConflictError(f"{mail} is being tried now: try again once the attempt has ended")
                return dropped.sequence
        return 0

    async def drop_all(self, account: str, *, by: str, reason: str) -> UntriedDropped:
        """The oldest mails of the account. None of them while its mail is on its way."""
        total = await self._workers.untried(account)
        if not total or not self._workers.destination(account).down_reason:
            return UntriedDropped(0, total)
        mails = await self._workers.untried_mails(account, _MAX_ALL)
        dropped = await self._drop(account, mails, by, reason)
        return dropped._replace(left=dropped.left + max(0, total - len(mails)))

    async def _drop(self, account: str, mails: Sequence[UntriedMail], by: str, reason: str) -> UntriedDropped:
        context, sequence = CommandContext(account, utc_now(), by, reason), 0
        async with self._workers.set_aside(account, mails) as waiting:
            lost = [mail for mail in waiting if mail.recipients]  # the others have come to their end
            for first in range(0, len(lost), _AT_ONCE):
                drops = [self._append(mail, context) for mail in lost[first : first + _AT_ONCE]]
                sequence = max(await all_results(drops))
        return UntriedDropped(len(lost), len(mails) - len(waiting), sequence)

    async def _append(self, mail: UntriedMail, context: CommandContext) -> int:
        event = drop_mail(mail, context)
        sequence = await self._bus.events.append(event)
        self._workers.on_queue_event(mail.mail, event)  # before the block of `set_aside` ends
        return sequence
