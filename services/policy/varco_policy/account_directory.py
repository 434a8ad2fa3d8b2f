"""All accounts in memory, by name, by login and by network; kept current by the events, changed by appending them."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import (
    AccountClosed,
    AnyEvent,
    CredentialAdded,
    CredentialRemoved,
    NetworkTrusted,
    NetworkWithdrawn,
    PolicyEvent,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_policy.domain_index import DomainIndex
from varco_policy.model import Account, Credential, TrustedNetwork, apply
from varco_policy.network_index import NetworkIndex

NAME = "policy"
ALL = subjects.event(NAME, "*", "*")
FOLLOWED = (ALL, *(subjects.event("filelink", fact, "*") for fact in ("filelink-chosen", "filelink-withdrawn")))

Decide = Callable[[Account | None], Sequence[PolicyEvent]]


class AccountDirectory:
    """Reads are answered from memory. `commit` is the one way to change an account."""

    def __init__(self, projection: Projection[Account]) -> None:
        self._projection = projection
        self._logins: dict[str, str] = {}
        self._networks = NetworkIndex()
        self._domains = DomainIndex()
        self._declared: set[tuple[str, str]] = set()
        self._index_all()
        projection.on_event(self._index)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection.of(ACCOUNTS, bus, engine, NAME)
        async with projection.following():
            yield cls(projection)

    @property
    def sequence(self) -> int:
        """The stream sequence of the last event that is in memory."""
        return self._projection.sequence

    def __len__(self) -> int:
        return len(self._projection)

    def get(self, name: str) -> Account | None:
        return self._projection.get(name)

    def all(self) -> Iterable[Account]:
        """As they are now, by name."""
        return [account for _, account in sorted(self._projection.items())]

    def by_login(self, login: str) -> tuple[Account, Credential] | None:
        """Whose the login is; it is compared in lower case."""
        login = login.strip().lower()
        account = self.get(self._logins.get(login, ""))
        return (account, account.credentials[login]) if account and login in account.credentials else None

    def by_host(self, host: str) -> tuple[Account, TrustedNetwork] | None:
        """The account that trusts the narrowest network with this address in it."""
        found = self._networks.find(host)
        account = self.get(found[0]) if found else None
        return (account, account.networks[found[1]]) if found and account else None

    def login_owner(self, login: str) -> str | None:
        return self._logins.get(login)

    def network_owner(self, network: str) -> str | None:
        return self._networks.owner(network)

    def accounts_claiming_domain(self, pattern: str) -> set[str]:
        """The accounts that have any sender at the pattern's domain, or at one above or below it."""
        return self._domains.accounts_claiming_domain(pattern)

    async def version(self, name: str) -> int:
        """What `commit` can be told to expect."""
        return await self._projection.version(name)

    async def commit(self, name: str, decide: Decide, *, expect: int | None = None) -> int:
        """As `Projection.commit`."""
        return await self._projection.commit(name, decide, expect=expect)

    async def check(self) -> None:
        """For /readyz."""
        await self._projection.check()

    def _index(self, name: str, event: AnyEvent) -> None:
        match event:
            case CredentialAdded(login=login) if self.get(name):
                self._logins.setdefault(login, name)
            case CredentialRemoved(login=login) if self._logins.get(login) == name:
                del self._logins[login]
            case NetworkTrusted(network=network) if self.get(name) and not self._networks.owner(network):
                self._networks.put(network, name)
            case NetworkWithdrawn(network=network) if self._networks.owner(network) == name:
                self._networks.drop(network)
            case SenderAuthorised() | SenderWithdrawn():
                self._index_sender(name, event.pattern)
            case AccountClosed():
                self._index_all()
            case _:
                pass

    def _index_all(self) -> None:
        """The first to have had a login or a network keeps it: no two processes can disagree, whoever wrote a second."""
        self._logins, self._networks, self._domains, self._declared = {}, NetworkIndex(), DomainIndex(), set()
        accounts = [account for _, account in self._projection.items()]
        credentials = [
            (c.added_at, c.login, account.name) for account in accounts for c in account.credentials.values()
        ]
        for _, login, name in sorted(credentials):
            self._logins.setdefault(login, name)
        networks = [(n.trusted_at, n.network, account.name) for account in accounts for n in account.networks.values()]
        for _, network, name in sorted(networks):
            if not self._networks.owner(network):
                self._networks.put(network, name)
        for account in accounts:
            for pattern in account.senders:
                self._index_sender(account.name, pattern)

    def _index_sender(self, name: str, pattern: str) -> None:
        """Events may say again what is so already; each pattern counts once."""
        held, known = self.get(name), (name, pattern) in self._declared
        if held and pattern in held.senders and not known:
            self._declared.add((name, pattern))
            self._domains.put(pattern, name)
        elif known and not (held and pattern in held.senders):
            self._declared.discard((name, pattern))
            self._domains.drop(pattern, name)


def account_of(event: AnyEvent) -> str:
    """The account that an event is about: some have a subject of their own."""
    return event.account if isinstance(event, PolicyEvent) else event.key


ACCOUNTS = ProjectionSpec("accounts", FOLLOWED, apply, Account, account_of)
