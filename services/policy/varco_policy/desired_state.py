"""An account as its file describes it, and the changes that lead there.

Sections left out stay as they are. Pure.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from varco_common.events import Language, Notice, Rules
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_policy import commands
from varco_policy.commands import AttachmentExceptionRequest, Owner
from varco_policy.model.account import Account


class DesiredUser(NamedTuple):
    """A login of the file. None leaves its name, its password or its state as it is."""

    name: str | None
    new_hash: str | None
    disabled: bool | None = None


class DesiredNetwork(NamedTuple):
    """A network of the file, with the meaning of TrustedNetwork."""

    normalise: bool = False
    domain: str = ""


class DesiredAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of an account file in normal form; None for a section that was left out.

    `networks` are by CIDR, `users` by login, `exceptions` (of attachments) by pattern.
    """

    languages: tuple[Language, ...] | None = None
    time_zone: str | None = None
    hosts: tuple[str, ...] | None = None
    users: dict[str, DesiredUser] | None = None
    senders: tuple[str, ...] | None = None
    networks: dict[str, DesiredNetwork] | None = None
    rules: Rules | None = None
    exceptions: dict[str, AttachmentExceptionRequest] | None = None
    notices: dict[Notice, dict[Language, str]] | None = None


class Owners(NamedTuple):
    """Who owns what only one account may have."""

    login: Owner
    network: Owner


def changes_to(
    desired: DesiredAccount, account: Account | None, context: CommandContext, owners: Owners
) -> list[Change]:
    """The changes from `account` (None: it is not open) to `desired`, in order.

    Raises RefusedCommand if a change is impossible.
    """
    if account is not None:
        return [*_changes(desired, account, context, owners)]
    language = (desired.languages or (Language.EN,))[0]
    new = Account(name=context.account, language=language, opened_at=context.at)
    changes = _changes(desired, new, context, owners)
    opened = commands.open_account(context, language)
    return [opened, *(change._replace(removes=()) for change in changes)]  # nobody relied on a default list yet


def _changes(desired: DesiredAccount, account: Account, context: CommandContext, owners: Owners) -> Iterator[Change]:
    if desired.languages is not None:
        yield from commands.choose_languages(account, context, desired.languages)
    if desired.time_zone is not None:
        yield from commands.choose_time_zone(account, context, desired.time_zone)
    if desired.hosts is not None:
        yield from commands.name_hosts(account, context, desired.hosts)
    if desired.users is not None:
        yield from _user_changes(desired.users, account, context, owners.login)
    if desired.senders is not None:
        yield from _sender_changes(desired.senders, account, context)
    if desired.networks is not None:
        yield from _network_changes(desired.networks, account, context, owners.network)
    if desired.rules is not None:
        yield from commands.change_rules(account, context, desired.rules)
    if desired.exceptions is not None:
        yield from _exception_changes(desired.exceptions, account, context)
    if desired.notices is not None:
        yield from _notice_changes(desired.notices, account, context)


def _user_changes(
    users: dict[str, DesiredUser], account: Account, context: CommandContext, owner: Owner
) -> Iterator[Change]:
    for login in account.credentials.keys() - users.keys():
        yield from commands.remove_user(account, context, login)
    for login, user in users.items():
        yield from commands.put_user(account, context, login, owner, **user._asdict())


def _sender_changes(senders: tuple[str, ...], account: Account, context: CommandContext) -> Iterator[Change]:
    for pattern in account.senders.keys() - {*senders}:
        yield from commands.withdraw_sender(account, context, pattern)
    for pattern in senders:
        yield from commands.authorise_sender(account, context, pattern)


def _network_changes(
    networks: dict[str, DesiredNetwork], account: Account, context: CommandContext, owner: Owner
) -> Iterator[Change]:
    for network in account.networks.keys() - networks.keys():
        yield from commands.withdraw_network(account, context, network)
    for network, (normalise, domain) in networks.items():
        yield from commands.trust_network(account, context, network, owner, normalise=normalise, domain=domain)


def _exception_changes(
    requests: dict[str, AttachmentExceptionRequest], account: Account, context: CommandContext
) -> Iterator[Change]:
    for pattern in account.exceptions.keys() - requests.keys():
        yield from commands.remove_attachment_exception(account, context, pattern)
    for request in requests.values():
        yield from commands.except_attachments(account, context, request)


def _notice_changes(
    notices: dict[Notice, dict[Language, str]], account: Account, context: CommandContext
) -> Iterator[Change]:
    for notice, texts in account.notices.items():
        for language in texts.keys() - notices.get(notice, {}).keys():
            yield from commands.withdraw_notice(account, context, notice, language)
    for notice, texts in notices.items():
        for language, text in texts.items():
            yield from commands.write_notice(account, context, notice, language, text)
