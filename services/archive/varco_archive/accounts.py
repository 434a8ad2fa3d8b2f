"""All accounts' copy settings in memory, by account and by login."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_archive.model import PROJECTION, CopySettings
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events import AccountClosed, AnyEvent, MailboxClosed, MailboxNamed, MailboxOpened
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.naming import name_logins
from varco_common.eventsourcing.projection import Projection

NAME = "archive"


class ArchiveAccounts:
    """Reads are answered from memory. `execute` is the only way to change an account."""

    def __init__(self, projection: Projection[CopySettings]) -> None:
        self._projection = projection
        self._logins = {settings.login: account for account, settings in projection.items() if settings.login}
        self.version = projection.version
        self.check = projection.check
        self.execute = CommandExecutor(projection).execute
        projection.on_event(self._index)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Has caught up with the bus when the block begins, and follows it inside the block."""
        projection = Projection(PROJECTION, bus, engine, NAME)
        async with projection.following():
            naming = name_logins(bus, projection, MailboxNamed, lambda settings: filter(None, [settings.login]), _named)
            async with run_in_background(naming):
                yield cls(projection)

    def get(self, account: str) -> CopySettings | None:
        return self._projection.get(account)

    def settings_of(self, account: str) -> CopySettings:
        """As `get`; an account without any event copies nothing."""
        return self.get(account) or CopySettings(account=account)

    def active(self) -> list[CopySettings]:
        """The accounts whose mail is copied, by name."""
        return [settings for _, settings in sorted(self._projection.items()) if settings.active]

    def by_login(self, login: str) -> CopySettings | None:
        """The account whose mailbox has this login, in any case."""
        return self.get(self._logins.get(login.strip().lower(), ""))

    def owner(self, login: str) -> str | None:
        return self._logins.get(login)

    def _index(self, account: str, event: AnyEvent) -> None:
        if not isinstance(event, MailboxOpened | MailboxClosed | AccountClosed):
            return
        for login in [login for login, owner in self._logins.items() if owner == account]:
            del self._logins[login]
        if (settings := self.get(account)) and settings.login:
            self._logins[settings.login] = account


def _named(account: str, login: str) -> MailboxNamed:
    return MailboxNamed(at=datetime.now(UTC), account=account, by=NAME, login=login)
