"""Removes copies whose time is over, and those of mailboxes that were closed; never in the middle of a session."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from varco_archive.copy_deletion import DELETION_BATCH, CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.model import MAIL_HORIZON, CopySettings
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.events import RemovalCause

_log = log.get(__name__)


class RetentionSweeper:
    """`state` gives what is known of an account, `longest` is how long the stream itself keeps mail."""

    def __init__(
        self,
        index: CopyIndex,
        removals: CopyDeletion,
        drops: MaildropLocks,
        state: Callable[[str], CopySettings | None],
        longest: timedelta,
    ) -> None:
        self._index, self._removals, self._drops, self._state = index, removals, drops, state
        self._longest = longest

    async def run(self, every: timedelta) -> None:
        """Until cancelled."""
        while True:
            try:
                for account in await self._index.accounts():
                    await self.sweep(account)
                await self._index.forget(datetime.now(UTC) - MAIL_HORIZON)
            except TransientError as error:
                _log.warning("not swept", error=str(error))
            await asyncio.sleep(every.total_seconds())

    async def sweep(self, account: str) -> None:
        """Removes what is to be removed now. Where a session has the mailbox open that waits; a closed one ends."""
        state = self._state(account)
        closed = state is None or not state.login
        holder = self._drops.holder(account)
        if holder and closed:
            holder.close()
        async with self._drops.turn(account):
            if closed or not self._drops.holder(account):
                await self.swept(account)

    async def swept(self, account: str) -> None:
        """As `sweep`, for whoever has the mailbox's turn."""
        state = self._state(account)
        before, cause, reason = None, RemovalCause.OPERATOR, "the mailbox was closed"
        if state and state.login:
            keep = min(timedelta(seconds=state.keep_seconds), self._longest)
            before, cause, reason = datetime.now(UTC) - keep, RemovalCause.RETENTION, ""
        while mails := await self._index.expired(account, before, DELETION_BATCH):
            await self._removals.remove(account, mails, cause, reason=reason)
