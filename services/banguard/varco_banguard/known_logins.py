"""Each login: its account, hosts that use it and hosts that fail at it. Also who trusts a network.

Folded from events of policy, archive and banguard. Pure. Logins that do not exist are followed in
memory alone, and only the newest of them: strangers can name any number.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from cachetools import LRUCache
from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    CredentialRemoved,
    CredentialUsed,
    HostFound,
    LoginGuarded,
    LoginNamed,
    MailboxNamed,
    NetworkTrusted,
    NetworkWithdrawn,
    StrikeCause,
)
from varco_common.events.ban_table import banned_as
from varco_common.eventsourcing.projection_spec import ProjectionSpec

MAX_KNOWN = 50
MAX_TRIES = 200
MAX_UNKNOWN = 2_000  # logins that do not exist


class KnownLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A login. `account` is empty if it does not exist.

    `known` are the hosts that used it, `tries` the hosts that failed at it, each with the time of
    the last one. An IPv6 host is its /64. Only the newest hosts are kept.
    """

    account: str
    known: dict[str, datetime] = {}
    tries: dict[str, datetime] = {}
    guarded_until: datetime | None = None


class NetworkOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The account that trusts a network."""

    account: str


def key(event: AnyEvent) -> str:
    """The login in lower case; empty if the event names none."""
    login: str = event.strike.login if isinstance(event, HostFound) else getattr(event, "login", "")
    return login.strip().lower()


def apply(login: KnownLogin | None, event: AnyEvent) -> KnownLogin | None:
    """The state after the event; None for a login that does not exist."""
    match event:
        case LoginNamed(account=account) | MailboxNamed(account=account):
            return login or KnownLogin(account=account)
        case CredentialRemoved():
            return None
        case CredentialUsed(account=account, host=host) if host:  # before 29 November 2026 no login was named
            login = login or KnownLogin(account=account)
            return replace(login, known=_with_newest(login.known, banned_as(host), event.at, MAX_KNOWN))
        case HostFound(network=network, strike=strike) if login and strike.cause is StrikeCause.WRONG_CREDENTIALS:
            return replace(login, tries=_with_newest(login.tries, network, strike.at, MAX_TRIES))
        case LoginGuarded(until=until) if login:
            return replace(login, guarded_until=until)
        case _:
            return login


class UnknownLogins:
    """Logins that do not exist, and the hosts that fail at them.

    They are guarded as the others are. Otherwise the wait would tell which logins exist.
    """

    def __init__(self) -> None:
        self._logins: LRUCache[str, KnownLogin] = LRUCache(MAX_UNKNOWN)

    def get(self, name: str) -> KnownLogin | None:
        return self._logins.get(name)

    def note(self, name: str, event: AnyEvent) -> None:
        """Applies an event about a login that does not exist."""
        login = self._logins.get(name) or KnownLogin(account="")
        if name and isinstance(event, HostFound | LoginGuarded) and (changed := apply(login, event)) != login:
            assert changed
            self._logins[name] = changed


class LoginsOfHosts:
    """The known hosts of each login, seen from the host: which logins used it, and when."""

    def __init__(self) -> None:
        self._used: dict[str, dict[str, datetime]] = {}
        self._hosts: dict[str, Iterable[str]] = {}

    def put(self, login: str, known: Mapping[str, datetime]) -> None:
        """`known` are all hosts that the login was used from; none if it does not exist."""
        for host in self._hosts.pop(login, ()):
            del self._used[host][login]
            if not self._used[host]:
                del self._used[host]
        if known and login:
            self._hosts[login] = tuple(known)
            for host, at in known.items():
                self._used.setdefault(host, {})[login] = at

    def used_since(self, host: str, since: datetime) -> int:
        """How many logins were used from the host since then."""
        return sum(at > since for at in self._used.get(host, {}).values())


def network_key(event: AnyEvent) -> str:
    return str(getattr(event, "network", ""))


def apply_network(owner: NetworkOwner | None, event: AnyEvent) -> NetworkOwner | None:
    match event:
        case NetworkTrusted(account=account):
            return NetworkOwner(account=account)
        case NetworkWithdrawn(account=account) if owner and owner.account == account:
            return None
        case _:
            return owner


def _with_newest(hosts: dict[str, datetime], newest: str, at: datetime, limit: int) -> dict[str, datetime]:
    """The hosts with `newest` as the last one; at most `limit`."""
    others = [(host, last) for host, last in hosts.items() if host != newest]
    return dict([*others, (newest, at)][-limit:])


LOGIN_FILTERS = tuple(
    kind.subject_filter()
    for kind in (LoginNamed, CredentialRemoved, CredentialUsed, MailboxNamed, HostFound, LoginGuarded)
)
NETWORK_FILTERS = (NetworkTrusted.subject_filter(), NetworkWithdrawn.subject_filter())
KNOWN_LOGINS = ProjectionSpec("known-logins", LOGIN_FILTERS, apply, KnownLogin, key)
NETWORK_OWNERS = ProjectionSpec("trusted", NETWORK_FILTERS, apply_network, NetworkOwner, network_key)
