"""Who has which mailbox open: one session at a time (RFC 1939 4), and nobody removes from it meanwhile."""

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
    """`turn` is held while a mailbox is opened, or removed from by anyone but the session that has it open."""

    def __init__(self) -> None:
        self._holders: dict[str, LockHolder] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, account: str) -> asyncio.Lock:
        return self._turns[account]

    def enter(self, account: str, session: LockHolder) -> None:
        """Raises InUse. Whoever entered must `leave`, however the session ends."""
        if account in self._holders:
            raise MaildropInUse(f"the mailbox of {account} is open in another session")
        self._holders[account] = session

    def leave(self, account: str, session: LockHolder) -> None:
        if self._holders.get(account) is session:
            del self._holders[account]

    def holder(self, account: str) -> LockHolder | None:
        return self._holders.get(account)
