"""Commands on one account: the changes from its newest state; none if it is so already. Pure."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from varco_common.base import units
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AttachmentExceptionRemoved,
    AttachmentsExcepted,
    CredentialAdded,
    CredentialDisabled,
    CredentialEnabled,
    CredentialRemoved,
    CredentialRenamed,
    HostsNamed,
    Language,
    LanguageChosen,
    LanguagesChosen,
    LoginNamed,
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
    TimeZoneChosen,
    TokenIssued,
    TokenRevoked,
)
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_policy.model.account import Account


class AttachmentExceptionRequest(NamedTuple):
    """What the senders that `pattern` covers may attach besides; None for anything.

    `until` is in UTC; None: it never ends.
    """

    pattern: str
    attachments: tuple[str, ...] | None
    until: datetime | None
    reason: str


Owner = Callable[[str], str | None]
"""The account that a login or a network belongs to."""


def open_account(context: CommandContext, language: Language) -> Change:
    return Change("add", "account", context.account, "", context.event(AccountOpened, language=language))


def close_account(account: Account, context: CommandContext) -> list[Change]:
    """Revokes its tokens first: they would be valid for a later account of the same name."""
    revoked = [change for token in account.tokens for change in revoke_token(account, context, token)]
    closed = context.event(AccountClosed)
    return [*revoked, Change("remove", "account", context.account, "with all that it holds", closed)]


def choose_languages(account: Account, context: CommandContext, languages: tuple[Language, ...]) -> list[Change]:
    current = account.languages
    if languages == current:
        return []
    detail = f"{' '.join(current)} -> {' '.join(languages)}"
    event = (
        context.event(LanguagesChosen, languages=languages)
        if len(languages) > 1
        else context.event(LanguageChosen, language=languages[0])
    )
    return [Change("change", "language", "", detail, event)]


def choose_time_zone(account: Account, context: CommandContext, time_zone: str) -> list[Change]:
    if time_zone == account.time_zone:
        return []
    detail = f"{account.time_zone} -> {time_zone}"
    return [Change("change", "time zone", "", detail, context.event(TimeZoneChosen, time_zone=time_zone))]


def name_hosts(account: Account, context: CommandContext, hosts: tuple[str, ...]) -> list[Change]:
    if {*hosts} == {*account.hosts}:
        return []
    detail = f"{', '.join(account.hosts) or 'none'} -> {', '.join(hosts) or 'none'}"
    gone = tuple(f"host {host}" for host in account.hosts if host not in hosts)
    return [Change("change", "hosts", "", detail, context.event(HostsNamed, hosts=hosts), removes=gone)]


def authorise_sender(account: Account, context: CommandContext, pattern: str) -> list[Change]:
    if pattern in account.senders:
        return []
    return [Change("add", "sender", pattern, "", context.event(SenderAuthorised, pattern=pattern))]


def withdraw_sender(account: Account, context: CommandContext, pattern: str) -> list[Change]:
    if pattern not in account.senders:
        raise NotFound(f"{pattern} is not among the senders of {account.name}")
    event = context.event(SenderWithdrawn, pattern=pattern)
    return [Change("remove", "sender", pattern, "", event, removes=(f"sender {pattern}",))]


def trust_network(
    account: Account, context: CommandContext, network: str, owner: Owner, *, normalise: bool, domain: str = ""
) -> list[Change]:
    trusted = account.networks.get(network)
    if trusted and (trusted.normalise, trusted.domain) == (normalise, domain):
        return []
    if (other := owner(network)) not in (None, account.name):
        raise RefusedCommand(
            f"{network} is already trusted for account {other}: withdraw it there, or trust a part of it"
        )
    event = context.event(NetworkTrusted, network=network, normalise=normalise, domain=domain)
    detail = "bare line ends are mended" if normalise else "bare line ends are refused" if trusted else ""
    if domain:
        detail += f", addresses without a domain get {domain}"
    return [Change("change" if trusted else "add", "network", network, detail, event)]


def withdraw_network(account: Account, context: CommandContext, network: str) -> list[Change]:
    if network not in account.networks:
        raise NotFound(f"{network} is not among the networks of {account.name}")
    event = context.event(NetworkWithdrawn, network=network)
    return [Change("remove", "network", network, "", event, removes=(f"network {network}",))]


def put_user(
    account: Account,
    context: CommandContext,
    login: str,
    owner: Owner,
    *,
    name: str | None,
    new_hash: str | None,
    disabled: bool | None = None,
) -> list[Change]:
    """Adds a login or changes it. None leaves its name, its password or its state as it is."""
    credential = account.credentials.get(login)
    if credential is None:
        if owner(login) not in (None, account.name):
            raise RefusedCommand(f"the login {login} belongs to another account")
        if new_hash is None:
            raise RefusedCommand(f"{login} is new: it needs a password or a password_hash")
        added = context.event(CredentialAdded, login=login, name=name or login, hash=new_hash)
        named = context.event(LoginNamed, login=login)
        new = Change("add", "user", login, "", added, also=named)
        return [new, *_set_disabled(context, login, False, disabled)]
    changes = _set_disabled(context, login, credential.disabled, disabled)
    if name is not None and name != credential.name:
        renamed = context.event(CredentialRenamed, login=login, name=name)
        changes.append(Change("change", "user", login, f"name: {credential.name} -> {name}", renamed))
    if new_hash is not None:
        changed = context.event(PasswordChanged, login=login, hash=new_hash)
        changes.append(Change("change", "user", login, "password changed", changed))
    return changes


def _set_disabled(context: CommandContext, login: str, current: bool, desired: bool | None) -> list[Change]:
    if desired in (None, current):
        return []
    event = context.event(CredentialDisabled if desired else CredentialEnabled, login=login)
    return [Change("change", "user", login, "disabled" if desired else "enabled", event)]


def except_attachments(account: Account, context: CommandContext, request: AttachmentExceptionRequest) -> list[Change]:
    """Lets a sender attach more. Raises RefusedCommand if that would end before it begins."""
    pattern, attachments, until, reason = request
    before = account.exceptions.get(pattern)
    if before and (before.attachments, before.until, before.reason) == (attachments, until, reason):
        return []
    if until and until <= context.at:
        raise RefusedCommand(f"the exception for {pattern} would end before it begins: {until.isoformat()}")
    detail = "any" if attachments is None else " ".join(attachments)
    detail += f" until {until.isoformat()}" if until else ""
    event = context.event(
        AttachmentsExcepted, pattern=pattern, attachments=attachments, until=until, reason=reason or context.reason
    )
    return [Change("change" if before else "add", "attachment exception", pattern, detail, event)]


def remove_attachment_exception(account: Account, context: CommandContext, pattern: str) -> list[Change]:
    if pattern not in account.exceptions:
        raise NotFound(f"there is no attachment exception for {pattern} in {account.name}")
    event = context.event(AttachmentExceptionRemoved, pattern=pattern)
    return [Change("remove", "attachment exception", pattern, "", event, removes=(f"attachment exception {pattern}",))]


def remove_user(account: Account, context: CommandContext, login: str) -> list[Change]:
    if login not in account.credentials:
        raise NotFound(f"{login} is no login of {account.name}")
    event = context.event(CredentialRemoved, login=login)
    return [Change("remove", "user", login, "", event, removes=(f"user {login}",), destroys=f"the password of {login}")]


def change_rules(account: Account, context: CommandContext, rules: Rules) -> list[Change]:
    differences = [
        f"{name}: {_shown_rule(account.rules, name)} -> {_shown_rule(rules, name)}"
        for name in Rules.__struct_fields__
        if getattr(account.rules, name) != getattr(rules, name)
    ]
    if not differences:
        return []
    event = context.event(RulesChanged, rules=rules)
    return [
        Change("change", "rules", "", "; ".join(differences), event, removes=_removed_extensions(account.rules, rules))
    ]


def _removed_extensions(old: Rules, new: Rules) -> tuple[str, ...]:
    """The entries that the list of allowed attachments loses."""
    if old.attachments is None or new.attachments is None:
        return ()
    return tuple(f"attachments {extension}" for extension in old.attachments if extension not in new.attachments)


def write_notice(
    account: Account, context: CommandContext, notice: Notice, language: Language, text: str
) -> list[Change]:
    before = account.notices.get(notice, {}).get(language)
    if before == text:
        return []
    event = context.event(NoticeWritten, notice=notice, language=language, text=text)
    return [Change("change" if before else "add", "notice", f"{notice} ({language})", "", event)]


def withdraw_notice(account: Account, context: CommandContext, notice: Notice, language: Language) -> list[Change]:
    if language not in account.notices.get(notice, {}):
        raise NotFound(f"{account.name} has no words of its own for {notice} in {language}")
    event = context.event(NoticeWithdrawn, notice=notice, language=language)
    return [Change("remove", "notice", f"{notice} ({language})", "", event)]


def issue_token(context: CommandContext, token: str, name: str, until: datetime | None) -> list[Change]:
    event = context.event(TokenIssued, token=token, name=name, until=until)
    return [Change("add", "token", token, name, event)]


def revoke_token(account: Account, context: CommandContext, token: str) -> list[Change]:
    if token not in account.tokens:
        raise NotFound(f"{account.name} has no token {token}")
    return [Change("remove", "token", token, account.tokens[token].name, context.event(TokenRevoked, token=token))]


def _shown_rule(rules: Rules, name: str) -> str:
    """The value of a rule as an account file writes it."""
    value = getattr(rules, name)
    if name == "max_size":
        return units.format_size(value)
    if name == "attachments":
        return "any" if value is None else " ".join(value) or "none"
    return str(value)
