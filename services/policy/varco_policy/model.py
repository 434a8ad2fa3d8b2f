"""An account: what the events say of who may log in, who may send what from where. `apply` folds them."""

from datetime import datetime
from hashlib import sha256
from typing import TypeAlias, TypeVar, assert_never, get_args

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    CredentialUpgraded,
    CredentialUsed,
    FilelinkChosen,
    FilelinkWithdrawn,
    HostsNamed,
    Language,
    LanguageChosen,
    NetworkTrusted,
    NetworkWithdrawn,
    Notice,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
    TokenIssued,
    TokenRevoked,
)

AccountEvent: TypeAlias = (
    AccountOpened
    | AccountClosed
    | LanguageChosen
    | HostsNamed
    | CredentialAdded
    | CredentialRenamed
    | PasswordChanged
    | CredentialUpgraded
    | CredentialRemoved
    | CredentialUsed
    | SenderAuthorised
    | SenderWithdrawn
    | NetworkTrusted
    | NetworkWithdrawn
    | RulesChanged
    | NoticeWritten
    | NoticeWithdrawn
    | TokenIssued
    | TokenRevoked
    | FilelinkChosen
    | FilelinkWithdrawn
)
_FACTS = get_args(AccountEvent)
K = TypeVar("K")
V = TypeVar("V")


class Credential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A login, what its owner calls it, and the hash of its password (PHC or crypt form).

    `origin` is the SHA-256 of the hash as it was given, in hex: an imported hash is still known when it was upgraded.
    """

    login: str
    name: str
    hash: str
    origin: str
    added_at: datetime
    changed_at: datetime
    used_at: datetime | None = None


class TrustedNetwork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CIDR network that may send without AUTH; `normalise` mends bare line ends for old devices."""

    network: str
    trusted_at: datetime
    normalise: bool = False
    reason: str = ""


class IssuedToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bearer token that was issued: its id and name, never its secret."""

    id: str
    name: str
    issued_at: datetime


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account as of its last event.

    Keys: `credentials` by login, `senders` by pattern (with since when), `networks` by CIDR, `notices` by notice and
    then language, `tokens` by id. Attachments of more than `links_over` bytes leave as links; 0: none does.
    """

    name: str
    language: Language
    opened_at: datetime
    hosts: tuple[str, ...] = ()
    credentials: dict[str, Credential] = {}
    senders: dict[str, datetime] = {}
    networks: dict[str, TrustedNetwork] = {}
    rules: Rules = Rules()
    notices: dict[Notice, dict[Language, str]] = {}
    tokens: dict[str, IssuedToken] = {}
    links_over: int = 0

    def own_notice(self, notice: Notice) -> str:
        """The account's own words in its own language; empty where it has none."""
        return self.notices.get(notice, {}).get(self.language, "")


def apply(account: Account | None, event: AnyEvent) -> Account | None:
    """The account after the event; None before it is opened and after it is closed. Pure."""
    if isinstance(event, AccountOpened):
        return account or Account(name=event.account, language=event.language, opened_at=event.at)
    if account is None or not isinstance(event, _FACTS):
        return account
    return _changed(account, event)


def _changed(account: Account, event: AccountEvent) -> Account | None:  # noqa: C901, PLR0911, PLR0912  # one arm a fact
    match event:
        case AccountOpened():
            return account
        case AccountClosed():
            return None
        case LanguageChosen():
            return replace(account, language=event.language)
        case HostsNamed():
            return replace(account, hosts=event.hosts)
        case CredentialAdded() | CredentialRenamed() | PasswordChanged() | CredentialUpgraded() | CredentialUsed():
            return _with_credential(account, event)
        case CredentialRemoved():
            return replace(account, credentials=_without(account.credentials, event.login))
        case SenderAuthorised():
            return replace(account, senders={**account.senders, event.pattern: event.at})
        case SenderWithdrawn():
            return replace(account, senders=_without(account.senders, event.pattern))
        case NetworkTrusted():
            network = TrustedNetwork(
                network=event.network, trusted_at=event.at, normalise=event.normalise, reason=event.reason
            )
            return replace(account, networks={**account.networks, event.network: network})
        case NetworkWithdrawn():
            return replace(account, networks=_without(account.networks, event.network))
        case RulesChanged():
            return replace(account, rules=event.rules)
        case NoticeWritten():
            texts = {**account.notices.get(event.notice, {}), event.language: event.text}
            return replace(account, notices={**account.notices, event.notice: texts})
        case NoticeWithdrawn():
            texts = _without(account.notices.get(event.notice, {}), event.language)
            others = _without(account.notices, event.notice)
            return replace(account, notices={**others, event.notice: texts} if texts else others)
        case TokenIssued():
            token = IssuedToken(id=event.token, name=event.name, issued_at=event.at)
            return replace(account, tokens={**account.tokens, event.token: token})
        case TokenRevoked():
            return replace(account, tokens=_without(account.tokens, event.token))
        case FilelinkChosen():
            return replace(account, links_over=event.over)
        case FilelinkWithdrawn():
            return replace(account, links_over=0)
        case _:
            assert_never(event)


def _with_credential(
    account: Account,
    event: CredentialAdded | CredentialRenamed | PasswordChanged | CredentialUpgraded | CredentialUsed,
) -> Account:
    if isinstance(event, CredentialAdded):
        made = Credential(
            login=event.login,
            name=event.name,
            hash=event.hash,
            origin=hash_fingerprint(event.hash),
            added_at=event.at,
            changed_at=event.at,
        )
        return replace(account, credentials={**account.credentials, event.login: made})
    held = account.credentials.get(event.login)
    if held is None:  # removed meanwhile: a use or an upgrade that came late
        return account
    match event:
        case CredentialRenamed():
            held = replace(held, name=event.name)
        case PasswordChanged():
            held = replace(held, hash=event.hash, origin=hash_fingerprint(event.hash), changed_at=event.at)
        case CredentialUpgraded():
            held = replace(held, hash=event.hash)
        case CredentialUsed():
            held = replace(held, used_at=event.at)
        case _:
            assert_never(event)
    return replace(account, credentials={**account.credentials, event.login: held})


def hash_fingerprint(digest: str) -> str:
    """What a hash is recognised by."""
    return sha256(digest.encode()).hexdigest()


def _without(mapping: dict[K, V], key: K) -> dict[K, V]:
    return {other: value for other, value in mapping.items() if other != key}
