"""Removes expired copies, and all of closed mailboxes; never during a POP3 session."""

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

SWEEP_SECONDS = 60.0  # for unread mailboxes only: a login removes expired copies itself

_log = log.get(__name__)


class RetentionSweeper:
    """`settings_of` maps account to settings; `max_keep` is how long MAIL keeps mail."""

    def __init__(
        self,
        index: CopyIndex,
        deletion: CopyDeletion,
        locks: MaildropLocks,
        settings_of: Callable[[str], CopySettings | None],
        max_keep: timedelta,
    ) -> None:
        self._index, self._deletion, self._locks = index, deletion, locks
        self._settings_of, self._max_keep = settings_of, max_keep

    async def run(self) -> None:
        """Sweeps all mailboxes again and again, until cancelled."""
        while True:
            try:
                for account in await self._index.accounts():
                    await self.sweep(account)
                await self._index.delete_tombstones(datetime.now(UTC) - MAIL_HORIZON)
            except TransientError as error:
                _log.warning("sweep of mailboxes failed, to be retried", error=str(error))
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self, account: str) -> None:
        """Removes expired copies unless a session has the mailbox open.

        A closed mailbox loses its session and all.
        """
        settings = self._settings_of(account)
        closed = settings is None or not settings.login
        holder = self._locks.holder(account)
        if holder and closed:
            holder.close()
        async with self._locks.exclusive(account):
            if closed or not self._locks.holder(account):
                await self.remove_expired(account)

    async def remove_expired(self, account: str) -> None:
        """As `sweep`, for a caller that holds the mailbox's `exclusive` lock."""
        settings = self._settings_of(account)
        before, cause, reason = None, RemovalCause.OPERATOR, "the mailbox was closed"
        if settings and settings.login:
            keep = min(timedelta(seconds=settings.keep_seconds), self._max_keep)
            before, cause, reason = datetime.now(UTC) - keep, RemovalCause.RETENTION, ""
        while mails := await self._index.expired(account, before, DELETION_BATCH):
            await self._deletion.remove(account, mails, cause, reason=reason)
