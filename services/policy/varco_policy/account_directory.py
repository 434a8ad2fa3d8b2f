"""All accounts in memory: by name, by login, by network and by sender domain.

Kept current by the events.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import (
    AccountClosed,
    AnyEvent,
    CredentialAdded,
    CredentialRemoved,
    FilelinkChosen,
    FilelinkWithdrawn,
    NetworkTrusted,
    NetworkWithdrawn,
    PolicyEvent,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_policy.domain_index import DomainIndex
from varco_policy.model.account import Account, TrustedNetwork
from varco_policy.model.account_projection import apply
from varco_policy.model.credential import Credential
from varco_policy.network_index import NetworkIndex

NAME = "policy"
ALL = subjects.event(NAME, "*", "*")
FOLLOWED = (ALL, FilelinkChosen.subject_filter(), FilelinkWithdrawn.subject_filter())


def account_of(event: AnyEvent) -> str:
    """The account that an event concerns; the key of some events is more than its name."""
    return event.account if isinstance(event, PolicyEvent) else event.key


ACCOUNTS = ProjectionSpec("accounts", FOLLOWED, apply, Account, account_of)


class AccountDirectory:
    """Looks up accounts.

    `projection` has their states; commands on it keep the indexes current, too.
    """

    def __init__(self, projection: Projection[Account]) -> None:
        self.projection = projection
        self._index_all()
        projection.on_event(self._on_event)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection(ACCOUNTS, bus, engine, NAME)
        async with projection.following():
            yield cls(projection)

    @property
    def sequence(self) -> int:
        """The stream sequence of the last event that is in memory."""
        return self.projection.sequence

    def get(self, name: str) -> Account | None:
        return self.projection.get(name)

    def opened_at(self, name: str) -> datetime | None:
        """None for an account that is not open."""
        account = self.get(name)
        return account.opened_at if account else None

    def all(self) -> Iterable[Account]:
        """The accounts as they are now, by name."""
        return [account for _, account in sorted(self.projection.items())]

    def by_login(self, login: str) -> tuple[Account, Credential] | None:
        """The account and the credential of a login; upper and lower case are the same."""
        login = login.strip().lower()
        account = self.get(self._login_owners.get(login, ""))
        return (account, account.credentials[login]) if account and login in account.credentials else None

    def by_host(self, host: str) -> tuple[Account, TrustedNetwork] | None:
        """The account that trusts the narrowest network with this address in it."""
        name, network = self._networks.find(host) or ("", "")
        account = self.get(name)
        return (account, account.networks[network]) if account else None

    def login_owner(self, login: str) -> str | None:
        return self._login_owners.get(login)

    def network_owner(self, network: str) -> str | None:
        return self._networks.owner(network)

    def token_owner(self, token: str) -> str | None:
        """The account that a token was issued for, by the token's id."""
        return next((account.name for account in self.all() if token in account.tokens), None)

    def accounts_claiming_domain(self, pattern: str) -> set[str]:
        """The accounts that have a sender at the pattern's domain, above it or below it."""
        return self._domains.accounts_claiming_domain(pattern)

    def _on_event(self, name: str, event: AnyEvent) -> None:
        match event:
            case CredentialAdded(login=login) if self.get(name):
                self._login_owners.setdefault(login, name)
            case CredentialRemoved(login=login) if self._login_owners.get(login) == name:
                del self._login_owners[login]
            case NetworkTrusted(network=network) if self.get(name) and not self._networks.owner(network):
                self._networks.add(network, name)
            case NetworkWithdrawn(network=network) if self._networks.owner(network) == name:
                self._networks.discard(network)
            case SenderAuthorised() | SenderWithdrawn():
                self._index_sender(name, event.pattern)
            case AccountClosed():
                self._index_all()
            case _:
                pass

    def _index_all(self) -> None:
        """A login or a network belongs to the account that had it first.

        So all processes agree, even if two of them accepted it for two accounts at the same moment.
        """
        self._login_owners: dict[str, str] = {}
        self._networks, self._domains = NetworkIndex(), DomainIndex()
        self._indexed_senders: set[tuple[str, str]] = set()
        accounts = [account for _, account in self.projection.items()]
        credentials = [
            (c.added_at, c.login, account.name) for account in accounts for c in account.credentials.values()
        ]
        for _, login, name in sorted(credentials):
            self._login_owners.setdefault(login, name)
        networks = [(n.trusted_at, n.network, account.name) for account in accounts for n in account.networks.values()]
        for _, network, name in sorted(networks):
            if not self._networks.owner(network):
                self._networks.add(network, name)
        for account in accounts:
            for pattern in account.senders:
                self._index_sender(account.name, pattern)

    def _index_sender(self, name: str, pattern: str) -> None:
        """Each pattern of an account counts once, even if an event authorises it again."""
        account, indexed = self.get(name), (name, pattern) in self._indexed_senders
        authorised = account is not None and pattern in account.senders
        if authorised and not indexed:
            self._indexed_senders.add((name, pattern))
            self._domains.add(pattern, name)
        elif indexed and not authorised:
            self._indexed_senders.discard((name, pattern))
            self._domains.discard(pattern, name)
