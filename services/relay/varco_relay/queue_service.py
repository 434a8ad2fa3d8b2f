"""The queue as operators see it: its pages, its age, and the commands for a mail in it."""

from collections.abc import Callable, Iterator, Sequence

from varco_common.base.tasks import all_results
from varco_common.bus import Bus
from varco_common.events import Event
from varco_common.eventsourcing.commands import CommandContext
from varco_common.eventsourcing.projection import Projection
from varco_relay.copies import copies_among
from varco_relay.delivery_attempt import utc_now
from varco_relay.model.queue import QueuedMail

QueueCommand = Callable[[QueuedMail, CommandContext], Event | None]
_AT_ONCE = 100  # appends of one command that wait for the bus


class QueueService:
    """Reads the projection of the queue, and appends the events of commands."""

    def __init__(self, bus: Bus, queue: Projection[QueuedMail]) -> None:
        self._bus, self._queue = bus, queue

    def mails(self, account: str = "") -> Iterator[QueuedMail]:
        """Every mail of the account (empty: of all) that waits, in no order."""
        return (state for _, state in self._queue.items() if state.failures and account in ("", state.account))

    async def without_copies(self, account: str) -> list[QueuedMail]:
        """As `mails`, but not the copies that archive forwards."""
        mails = [*self.mails(account)]
        copies = await copies_among(self._bus, account, mails)
        return [mail for mail in mails if mail.mail not in copies]

    async def is_copy(self, mail: QueuedMail) -> bool:
        return bool(await copies_among(self._bus, mail.account, [mail]))

    def page(self, account: str, *, held: bool | None, after: str, limit: int) -> tuple[list[QueuedMail], int]:
        """The mails behind `after`, oldest first, and how many there are in all."""
        mails = sorted((mail for mail in self.mails(account) if held in (None, mail.held)), key=lambda mail: mail.mail)
        return [mail for mail in mails if mail.mail > after][:limit], len(mails)

    def get(self, mail: str) -> QueuedMail | None:
        state = self._queue.get(mail)
        return state if state and state.failures else None

    async def reached(self, sequence: int) -> None:
        """Returns once the queue shows what the events up to this one say."""
        await self._queue.reached(sequence)

    async def execute(self, command: QueueCommand, state: QueuedMail, *, by: str, reason: str) -> None:
        """Carries the command out. Returns once the queue shows it.

        Raises what the command raises.
        """
        event = command(state, CommandContext(state.account, utc_now(), by, reason))
        if event:
            await self._queue.reached(await self._bus.events.append(event))

    async def execute_all(self, command: QueueCommand, mails: Sequence[QueuedMail], *, by: str, reason: str) -> int:
        """As `execute`, for many mails. Returns with how many the command did something.

        Mails that meanwhile came to their end are left out.
        """
        appended: list[int] = []
        for first in range(0, len(mails), _AT_ONCE):
            states = filter(None, (self.get(state.mail) for state in mails[first : first + _AT_ONCE]))
            events = [command(state, CommandContext(state.account, utc_now(), by, reason)) for state in states]
            appended += await all_results([self._bus.events.append(event) for event in events if event])
        await self._queue.reached(max(appended, default=0))
        return len(appended)
