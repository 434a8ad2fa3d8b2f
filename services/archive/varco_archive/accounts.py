"""All accounts in memory, by name and by login; changed by appending events."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_archive.model import PROJECTION, CopySettings
from varco_common.bus import Bus
from varco_common.events import AccountClosed, AnyEvent, Event, MailboxClosed, MailboxOpened
from varco_common.eventsourcing.projection import Projection

NAME = "archive"


class ArchiveAccounts:
    """Reads are answered from memory. `commit` is the one way to change an account."""

    def __init__(self, projection: Projection[CopySettings]) -> None:
        self._projection = projection
        self._logins = {state.login: account for account, state in projection.items() if state.login}
        self.version = projection.version
        self.check = projection.check
        projection.on_event(self._index)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection.of(PROJECTION, bus, engine, NAME)
        async with projection.following():
            yield cls(projection)

    def get(self, account: str) -> CopySettings | None:
        return self._projection.get(account)

    def held(self, account: str) -> CopySettings:
        """What holds for an account; where nothing was ever said, nothing is copied."""
        return self.get(account) or CopySettings(account=account)

    def on(self) -> list[CopySettings]:
        """Accounts whose mail is copied, by name."""
        return [state for _, state in sorted(self._projection.items()) if state.on]

    def by_login(self, login: str) -> CopySettings | None:
        """Whose mailbox it is; the login is compared in lower case."""
        return self.get(self._logins.get(login.strip().lower(), ""))

    def owner(self, login: str) -> str | None:
        return self._logins.get(login)

    async def commit(self, account: str, decide: Callable[[CopySettings], Sequence[Event]], expect: int | None) -> int:
        """As `Projection.commit`."""
        return await self._projection.commit(
            account, lambda state: decide(state or CopySettings(account=account)), expect=expect
        )

    def _index(self, account: str, event: AnyEvent) -> None:
        if not isinstance(event, MailboxOpened | MailboxClosed | AccountClosed):
            return
        for login in [login for login, owner in self._logins.items() if owner == account]:
            del self._logins[login]
        if (state := self.get(account)) and state.login:
            self._logins[state.login] = account
