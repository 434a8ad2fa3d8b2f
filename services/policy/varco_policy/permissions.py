"""What an account's own token may change: senders, users, notices; rules only to stricter ones.

Everything else needs an admin's token. Pure.
"""

from collections.abc import Callable, Iterable

from varco_common.events import (
    Choice,
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    LanguageChosen,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_common.eventsourcing.commands import Change
from varco_policy.model import Account

_ALLOWED = (
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    LanguageChosen,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    SenderWithdrawn,
)


def refusal_for_account_token(
    account: Account | None, changes: Iterable[Change], accounts_claiming_domain: Callable[[str], set[str]]
) -> str:
    """Why an account's own token may not make these changes; empty if it may.

    A sender in a domain that another account claims can only be added by an admin, so that no
    account can send in another's name. `accounts_claiming_domain` takes a sender pattern.
    """
    for change in changes:
        match change.event:
            case SenderAuthorised(pattern=pattern, account=name):
                if accounts_claiming_domain(pattern) - {name}:
                    return f"the domain of {pattern} is declared by another account: only an admin may share it"
            case RulesChanged(rules=rules):
                if account is None or is_looser(account.rules, rules):
                    return "an account's token may make its rules stricter, never looser"
            case event if not isinstance(event, _ALLOWED):
                return f"only an admin may change this: {change.line}"
    return ""


def is_looser(old: Rules, new: Rules) -> bool:
    """Whether any mail could pass the new rules that the old ones refuse."""
    if old.attachments is not None and (new.attachments is None or {*new.attachments} - {*old.attachments}):
        return True
    if new.encrypted is Choice.ACCEPT and old.encrypted is Choice.REFUSE:
        return True
    return new.max_size > old.max_size or new.max_recipients > old.max_recipients
