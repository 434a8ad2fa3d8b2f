"""How each event changes an account. Pure."""

from typing import TypeAlias, TypeVar, assert_never, get_args

from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    AnyPolicyEvent,
    AttachmentExceptionRemoved,
    AttachmentsExcepted,
    CredentialAdded,
    CredentialDisabled,
    CredentialEnabled,
    CredentialRemoved,
    CredentialRenamed,
    CredentialUpgraded,
    CredentialUsed,
    FilelinkChosen,
    FilelinkWithdrawn,
    HostsNamed,
    LanguageChosen,
    LanguagesChosen,
    LoginNamed,
    NetworkTrusted,
    NetworkWithdrawn,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
    TimeZoneChosen,
    TokenIssued,
    TokenRevoked,
    TokenUsed,
)
from varco_common.eventsourcing.account_texts import changed_notices
from varco_policy.model.account import Account, AttachmentException, TrustedNetwork, with_token
from varco_policy.model.credential import CredentialChange, changed_credential, new_credential

AccountChange: TypeAlias = AnyPolicyEvent | FilelinkChosen | FilelinkWithdrawn
_CHANGES = get_args(AccountChange)
K = TypeVar("K")
V = TypeVar("V")


def apply(account: Account | None, event: AnyEvent) -> Account | None:
    """The account after the event; None before it is opened and after it is closed."""
    if isinstance(event, AccountOpened):
        return account or Account(name=event.account, language=event.language, opened_at=event.at)
    return _changed(account, event) if account and isinstance(event, _CHANGES) else account


def _changed(account: Account, event: AccountChange) -> Account | None:  # noqa: C901, PLR0911, PLR0912 - one case an event
    match event:
        case AccountOpened() | LoginNamed():  # opened again: it stays as it is
            return account
        case AccountClosed():
            return None
        case LanguageChosen():
            return replace(account, language=event.language, also=())
        case LanguagesChosen(languages=(first, *others)):
            return replace(account, language=first, also=tuple(others))
        case LanguagesChosen():  # none are never chosen
            return account
        case TimeZoneChosen():
            return replace(account, time_zone=event.time_zone)
        case HostsNamed():
            return replace(account, hosts=event.hosts)
        case CredentialAdded():
            return replace(account, credentials={**account.credentials, event.login: new_credential(event)})
        case (
            CredentialRenamed()
            | PasswordChanged()
            | CredentialUpgraded()
            | CredentialDisabled()
            | CredentialEnabled()
            | CredentialUsed()
        ):
            return _with_changed_credential(account, event)
        case CredentialRemoved():
            return replace(account, credentials=_without(account.credentials, event.login))
        case SenderAuthorised():
            return replace(account, senders={**account.senders, event.pattern: event.at})
        case SenderWithdrawn():
            return replace(account, senders=_without(account.senders, event.pattern))
        case NetworkTrusted(network=cidr):
            network = TrustedNetwork(
                network=cidr,
                trusted_at=event.at,
                normalise=event.normalise,
                domain=event.domain,
                reason=event.reason,
            )
            return replace(account, networks={**account.networks, cidr: network})
        case NetworkWithdrawn():
            return replace(account, networks=_without(account.networks, event.network))
        case RulesChanged():
            return replace(account, rules=event.rules)
        case AttachmentsExcepted(pattern=pattern):
            exception = AttachmentException(
                pattern=pattern,
                attachments=event.attachments,
                since=event.at,
                until=event.until,
                by=event.by,
                reason=event.reason,
            )
            return replace(account, exceptions={**account.exceptions, pattern: exception})
        case AttachmentExceptionRemoved():
            return replace(account, exceptions=_without(account.exceptions, event.pattern))
        case NoticeWritten() | NoticeWithdrawn():
            return replace(account, notices=changed_notices(account.notices, event))
        case TokenIssued() | TokenRevoked() | TokenUsed():
            return replace(account, tokens=with_token(account.tokens, event))
        case FilelinkChosen():
            return replace(account, links_over=event.over)
        case FilelinkWithdrawn():
            return replace(account, links_over=0)
        case _:
            assert_never(event)


def _with_changed_credential(account: Account, event: CredentialChange) -> Account:
    credential = account.credentials.get(event.login)
    if credential is None:  # a use or an upgrade that was appended after the login was removed
        return account
    return replace(account, credentials={**account.credentials, event.login: changed_credential(credential, event)})


def _without(mapping: dict[K, V], key: K) -> dict[K, V]:
    return {other: value for other, value in mapping.items() if other != key}
