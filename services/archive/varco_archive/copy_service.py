"""What operators do through the API: change settings, remove a copy, note an export."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from varco_archive.account_senders import EVENTS, AccountSenders
from varco_archive.commands import DesiredCopies, changes
from varco_archive.mailboxes import Mailboxes
from varco_archive.model import CopySettings
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, NotFound
from varco_common.bus import Bus
from varco_common.events import CopyExported, MailboxClosed, RemovalCause
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, CommandResult
from varco_common.eventsourcing.projection import Projection


@dataclass(frozen=True, kw_only=True)
class CopyService:
    """`max_keep` is how long stream MAIL keeps mail."""

    bus: Bus
    mailboxes: Mailboxes
    senders: Projection[AccountSenders]
    max_keep: timedelta

    async def change(self, account: str, request: CommandRequest, desired: DesiredCopies) -> CommandResult:
        """Changes an account's settings. A mailbox that this closes is empty afterwards.

        Raises RefusedCommand, ConflictError, TransientError.
        """
        senders = None if request.is_admin else await self._senders_of(account)

        def decide(settings: CopySettings | None, context: CommandContext) -> list[Change]:
            current = settings or CopySettings(account=account)
            return changes(current, context, desired, self.mailboxes.accounts.owner, senders)

        result = await self.mailboxes.accounts.execute(account, request, decide)
        if result.applied and any(isinstance(change.event, MailboxClosed) for change in result.changes):
            await self.mailboxes.sweeper.sweep(account)
        return result

    async def _senders_of(self, account: str) -> AccountSenders:
        """The newest ones: the account may have been changed in policy a moment ago."""
        token = subjects.token(account)
        await self.senders.reach_last(*(kind.subject_filter(token) for kind in EVENTS))
        return self.senders.get(account) or AccountSenders()

    async def remove(self, account: str, mail: str, by: str, reason: str) -> None:
        """Raises NotFound; ConflictError while a client has the mailbox open."""
        async with self.mailboxes.locks.exclusive(account):
            if self.mailboxes.locks.holder(account):
                raise ConflictError("a client has the mailbox open: try again when its session is over")
            if not await self.mailboxes.index.get(account, mail):
                raise NotFound(f"no copy of mail {mail} is in the mailbox")
            await self.mailboxes.deletion.remove(account, [mail], RemovalCause.OPERATOR, by=by, reason=reason)

    async def note_export(self, account: str, by: str, reason: str, since: datetime | None, until: datetime) -> None:
        """Appends who takes copies out. Without `since`: all that arrived before `until`."""
        begin = since or min(until, await self._oldest(account) or until)
        event = CopyExported(at=datetime.now(UTC), account=account, by=by, reason=reason, since=begin, until=until)
        await self.bus.events.append(event)

    async def _oldest(self, account: str) -> datetime | None:
        """When the oldest copy in the mailbox arrived."""
        arrived = await self.mailboxes.index.oldest(account)
        return None if arrived is None else datetime.fromtimestamp(arrived / 1000, UTC)
