"""Whose each login is, where it was used from, and from where it was tried. Folded from policy's, archive's and own events."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.base.subjects import event
from varco_common.events import (
    AnyEvent,
    CredentialAdded,
    CredentialRemoved,
    CredentialUsed,
    HostFound,
    LoginGuarded,
    MailboxOpened,
    NetworkTrusted,
    NetworkWithdrawn,
    StrikeCause,
)
from varco_common.events.ban_table import banned_as
from varco_common.eventsourcing.projection_spec import ProjectionSpec

MOST_KNOWN = 50
MOST_TRIES = 200

FILTERS = (
    *(event("policy", fact, "*") for fact in ("credential-added", "credential-removed", "credential-used")),
    event("archive", "mailbox-opened", "*"),
    event("banguard", "host-found", "*"),
    event("banguard", "login-guarded", "*"),
)
NETWORKS = tuple(event("policy", fact, "*") for fact in ("network-trusted", "network-withdrawn"))


class KnownLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A login that exists. `known` and `tries` are hosts (IPv6 by /64) with when last; the oldest are left out."""

    account: str
    known: dict[str, datetime] = {}
    tries: dict[str, datetime] = {}
    guarded_until: datetime | None = None


class NetworkOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Who trusts a network."""

    account: str


def key(event: AnyEvent) -> str:
    """The login in lower case; empty where the event names none."""
    login: str = event.strike.login if isinstance(event, HostFound) else getattr(event, "login", "")
    return login.strip().lower()


def apply(login: KnownLogin | None, event: AnyEvent) -> KnownLogin | None:
    """Nothing is kept of logins that nobody has."""
    match event:
        case CredentialAdded(account=account):
            login = KnownLogin(account=account)
        case MailboxOpened(account=account) if not login:  # said again with each new password
            login = KnownLogin(account=account)
        case CredentialRemoved():
            login = None
        case CredentialUsed(host=host) if login and host:
            login = replace(login, known=_newest(login.known, banned_as(host), event.at, MOST_KNOWN))
        case HostFound(network=network, strike=strike) if login and strike.cause is StrikeCause.WRONG_CREDENTIALS:
            login = replace(login, tries=_newest(login.tries, network, strike.at, MOST_TRIES))
        case LoginGuarded(until=until) if login:
            login = replace(login, guarded_until=until)
        case _:
            pass
    return login


def network_key(event: AnyEvent) -> str:
    return str(getattr(event, "network", ""))


def apply_network(trusted: NetworkOwner | None, event: AnyEvent) -> NetworkOwner | None:
    match event:
        case NetworkTrusted(account=account):
            return NetworkOwner(account=account)
        case NetworkWithdrawn(account=account) if trusted and trusted.account == account:
            return None
        case _:
            return trusted


def _newest(hosts: dict[str, datetime], host: str, at: datetime, most: int) -> dict[str, datetime]:
    kept = {one: when for one, when in hosts.items() if one != host}
    kept[host] = at
    return dict(list(kept.items())[-most:])


KNOWN_LOGINS = ProjectionSpec("known-logins", FILTERS, apply, KnownLogin, key)
NETWORK_OWNERS = ProjectionSpec("trusted", NETWORKS, apply_network, NetworkOwner, network_key)
