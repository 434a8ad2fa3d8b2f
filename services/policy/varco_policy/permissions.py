"""What an account's own token may change: senders, users, notices; rules only to stricter ones.

Everything else needs an admin's token. Pure.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from varco_common.events import (
    AtSharedHosts,
    AttachmentExceptionRemoved,
    Choice,
    CredentialAdded,
    CredentialDisabled,
    CredentialEnabled,
    CredentialRemoved,
    CredentialRenamed,
    LanguageChosen,
    LanguagesChosen,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
    TimeZoneChosen,
)
from varco_common.eventsourcing.commands import Change
from varco_policy.domain_ownership import Ownership
from varco_policy.model.account import Account

_ALLOWED = (
    AttachmentExceptionRemoved,
    CredentialAdded,
    CredentialDisabled,
    CredentialEnabled,
    CredentialRemoved,
    CredentialRenamed,
    LanguageChosen,
    LanguagesChosen,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    SenderWithdrawn,
    TimeZoneChosen,
)


class DomainFacts(NamedTuple):
    """What decides over a domain.

    `claiming` takes a sender pattern and returns the accounts with a sender at its domain, above it
    or below it. `ownership` takes an account and a pattern. The others take a domain.
    """

    claiming: Callable[[str], set[str]]
    is_public_suffix: Callable[[str], bool]
    is_mail_provider: Callable[[str], bool]
    ownership: Callable[[str, str], Ownership]


def refusal_for_account_token(account: Account | None, changes: Iterable[Change], domains: DomainFacts) -> str:
    """Why an account's own token may not make these changes; empty if it may."""
    for change in changes:
        match change.event:
            case SenderAuthorised(pattern=pattern, account=name):
                if refusal := _sender_refusal(pattern, name, domains):
                    return refusal
            case CredentialAdded(login=login, account=name):
                if _is_others_login(login, name, domains):
                    return f"the domain of {login} is declared by another account: only an admin may add this login"
            case RulesChanged(rules=rules):
                if account is None or is_looser(account.rules, rules):
                    return "an account's token may make its rules stricter, never looser"
            case event if not isinstance(event, _ALLOWED):
                return f"only an admin may change this: {change.line}"
    return ""


def _sender_refusal(pattern: str, account: str, domains: DomainFacts) -> str:
    """So that no account can send in the name of another one, or of half the world."""
    domain = pattern.rpartition("@")[2].removeprefix(".")
    if domains.is_mail_provider(domain):
        return f"anybody can have an address at {domain}: only an admin may authorise {pattern}"
    if domains.is_public_suffix(domain):
        return f"{domain} is a public suffix, below which others have domains: only an admin may authorise {pattern}"
    return _ownership_refusal(pattern, account, domains)


def _ownership_refusal(pattern: str, account: str, domains: DomainFacts) -> str:
    """A proof settles it; what an operator vouches for must not be declared by another account."""
    domain = pattern.rpartition("@")[2].removeprefix(".")
    match domains.ownership(account, pattern):
        case Ownership.PROVEN:
            return ""
        case Ownership.OTHERS:
            return f"the domain of {pattern} is proven by another account: only an admin may share it"
        case _ if domains.claiming(pattern) - {account}:
            return f"the domain of {pattern} is declared by another account: only an admin may share it"
        case Ownership.VOUCHED:
            return ""
        case Ownership.NONE:
            return (
                f"{domain} is not proven: `varco domains add {account} {domain}` prints a record to publish; "
                "or ask an operator to vouch for the domain"
            )


def _is_others_login(login: str, account: str, domains: DomainFacts) -> bool:
    """A login that its owner's users would expect to be theirs. Those at providers are nobody's."""
    _, at, domain = login.rpartition("@")
    if not at or domains.is_mail_provider(domain):
        return False
    return bool(domains.claiming(login) - {account})


def is_looser(old: Rules, new: Rules) -> bool:
    """Whether any mail could pass the new rules that the old ones refuse."""
    if old.attachments is not None and (new.attachments is None or {*new.attachments} - {*old.attachments}):
        return True
    if new.encrypted is Choice.ACCEPT and old.encrypted is Choice.REFUSE:
        return True
    if new.display_addresses is Choice.ACCEPT and old.display_addresses is Choice.REFUSE:
        return True
    if new.unauthorised_senders is AtSharedHosts.STOP and old.unauthorised_senders is AtSharedHosts.BAN:
        return True
    return new.max_size > old.max_size or new.max_recipients > old.max_recipients
