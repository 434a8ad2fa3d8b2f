"""The commands that people give: changes of settings, removals, exports; over the index and the mailboxes' locks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from varco_archive.accounts import ArchiveAccounts
from varco_archive.body_reader import BodyReader
from varco_archive.commands import Change
from varco_archive.copy_deletion import CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.model import CopySettings
from varco_archive.retention_sweeper import RetentionSweeper
from varco_common.base.errors import ConflictError, NotFound
from varco_common.bus import Bus
from varco_common.events import CopyExported, MailboxClosed, RemovalCause
from varco_common.runtime.passwords import PasswordVerifier

PlanChanges = Callable[[CopySettings, datetime], list[Change]]


class CopyService:
    """`longest` is how long stream MAIL keeps mail."""

    def __init__(
        self,
        bus: Bus,
        accounts: ArchiveAccounts,
        index: CopyIndex,
        bodies: BodyReader,
        *,
        passwords: PasswordVerifier,
        drops: MaildropLocks,
        removals: CopyDeletion,
        sweeper: RetentionSweeper,
        longest: timedelta,
    ) -> None:
        self._bus, self.accounts, self.index, self.bodies = bus, accounts, index, bodies
        self.passwords, self.drops, self.longest = passwords, drops, longest
        self._removals, self._sweeper = removals, sweeper

    async def change(self, account: str, expect: int | None, plan: PlanChanges, *, dry_run: bool) -> list[Change]:
        """Carries out a change of settings; a mailbox that is closed is empty when it returns.

        Raises RefusedCommand, ConflictError, TransientError.
        """
        made: list[Change] = []
        at = datetime.now(UTC)

        def decide(state: CopySettings) -> list[Change]:
            made[:] = plan(state, at)
            return made

        if dry_run:
            return decide(self.accounts.held(account))
        await self.accounts.commit(account, lambda state: [one.event for one in decide(state)], expect)
        if any(isinstance(one.event, MailboxClosed) for one in made):
            await self._sweeper.sweep(account)
        return made

    async def remove(self, account: str, mail: str, by: str, reason: str) -> None:
        """Raises NotFound; ConflictError while a client has the mailbox open, whose numbers must stay."""
        async with self.drops.turn(account):
            if self.drops.holder(account):
                raise ConflictError("a client has the mailbox open: try again when its session is over")
            if not await self.index.get(account, mail):
                raise NotFound(f"no copy of mail {mail} is in the mailbox")
            await self._removals.remove(account, [mail], RemovalCause.OPERATOR, by=by, reason=reason)

    async def exported(self, account: str, by: str, reason: str, since: datetime, until: datetime) -> None:
        """Notes who takes copies out."""
        event = CopyExported(at=datetime.now(UTC), account=account, by=by, reason=reason, since=since, until=until)
        await self._bus.events.append(event)
