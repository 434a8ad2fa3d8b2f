"""The domains and host names of each account, and whose a login without an account may be. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from varco_common.events import AccountClosed, AnyEvent, HostsNamed
from varco_common.events import domain_table as domains
from varco_common.events.domain_table import AccountDomains, account_of, upwards
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.mail_providers import is_mail_provider


class AccountNames(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`hosts` are the names that the account's clients connect to."""

    hosts: tuple[str, ...] = ()
    domains: AccountDomains | None = None

    @property
    def owned_domains(self) -> tuple[str, ...]:
        """Those that it has proven, is vouched for, or has senders under."""
        own = self.domains.domains.values() if self.domains else ()
        return tuple(domain.name for domain in own if domain.owned)


def apply(names: AccountNames | None, event: AnyEvent) -> AccountNames | None:
    """The state after the event; None for a closed account."""
    match event:
        case AccountClosed():
            return None
        case HostsNamed(hosts=hosts):
            return replace(names or AccountNames(), hosts=hosts)
        case _:
            names = names or AccountNames()
            return replace(names, domains=domains.apply(names.domains, event))


NAME_FILTERS = (*domains.FILTERS, HostsNamed.subject_filter())
CLAIMED_NAMES = ProjectionSpec("claimed-names", NAME_FILTERS, apply, AccountNames, account_of)


class _Claims:
    """Which accounts claim a name. Several may."""

    def __init__(self) -> None:
        self._accounts: dict[str, frozenset[str]] = {}
        self._names: dict[str, frozenset[str]] = {}

    def put(self, account: str, names: Iterable[str]) -> None:
        """`names` are all that the account claims."""
        for name in self._names.pop(account, ()):
            if others := self._accounts.pop(name) - {account}:
                self._accounts[name] = others
        if claimed := frozenset(names):
            self._names[account] = claimed
        for name in claimed:
            self._accounts[name] = self.of(name) | {account}

    def of(self, name: str) -> frozenset[str]:
        return self._accounts.get(name, frozenset())


class Concerned(NamedTuple):
    """`accounts` may also take a strike back; `seen_by` only see it."""

    accounts: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()


class ClaimedNames:
    """Whose a failed login may be, if no account has the login."""

    def __init__(self) -> None:
        self._domains, self._hosts = _Claims(), _Claims()

    def put(self, account: str, names: AccountNames | None) -> None:
        """`names` are None for a closed account."""
        names = names or AccountNames()
        self._domains.put(account, names.owned_domains)
        self._hosts.put(account, names.hosts)

    def concerned(self, login: str, server_name: str, network_owner: str) -> Concerned:
        """By the login's domain; else by who trusts the host's network; else by the SNI name.

        Nobody where the signs contradict each other: it could be a login of the other account.
        Anybody can send an SNI name. So the account of that name sees the strike, and cannot take
        it back: else it could ignore a host from which it tries which logins exist.
        """
        claimants, named = self._claimants(login), self._hosts.of(server_name)
        if len(claimants) == 1:
            return Concerned(accounts=(*claimants,))
        if network_owner and all(network_owner in accounts for accounts in (claimants, named) if accounts):
            return Concerned(accounts=(network_owner,))
        if claimants:
            named &= claimants
        return Concerned(seen_by=(*named,)) if len(named) == 1 else Concerned()

    def _claimants(self, login: str) -> frozenset[str]:
        """Of the narrowest claimed domain at or above the login's. Mail providers' are nobody's."""
        domain = login.rpartition("@")[2] if "@" in login else ""
        if is_mail_provider(domain):
            return frozenset()
        return next((accounts for name in upwards(domain) if (accounts := self._domains.of(name))), frozenset())
