"""Locks of the mailboxes: one POP3 session at a time, and only it removes copies (RFC 1939 4)."""

import asyncio
from collections import defaultdict
from typing import Protocol

from varco_common.base.errors import VarcoError


class MaildropInUse(VarcoError):
    """Another session has this mailbox open."""


class LockHolder(Protocol):
    """A session that has a mailbox open."""

    def close(self) -> None: ...


class MaildropLocks:
    """A session holds its mailbox from `acquire` to `release`.

    `exclusive` is short: to open a mailbox, and to remove copies from outside a session.
    """

    def __init__(self) -> None:
        self._holders: dict[str, LockHolder] = {}
        self._exclusive: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def exclusive(self, account: str) -> asyncio.Lock:
        return self._exclusive[account]

    def acquire(self, account: str, session: LockHolder) -> None:
        """Raises MaildropInUse. The session must `release` the mailbox however it ends."""
        if account in self._holders:
            raise MaildropInUse(f"the mailbox of {account} is open in another session")
        self._holders[account] = session

    def release(self, account: str, session: LockHolder) -> None:
        if self._holders.get(account) is session:
            del self._holders[account]

    def holder(self, account: str) -> LockHolder | None:
        return self._holders.get(account)
