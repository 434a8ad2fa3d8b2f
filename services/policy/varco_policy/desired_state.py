"""An account as its file describes it, and the changes that lead there. What is left out is left as it is."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from varco_common.events import Language, Notice, Rules
from varco_policy import commands
from varco_policy.commands import Change, Owner, Said
from varco_policy.model import Account


class DesiredUser(NamedTuple):
    """A login that is to be there. `digest` is its new hash; None keeps the password, as `name` None keeps the name."""

    name: str | None
    digest: str | None


class DesiredAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of an account file, each in its normal form; None for those that were left out.

    `networks` are CIDR with whether bare line ends are mended; `users` are by login.
    """

    language: Language | None = None
    hosts: tuple[str, ...] | None = None
    users: dict[str, DesiredUser] | None = None
    senders: tuple[str, ...] | None = None
    networks: dict[str, bool] | None = None
    rules: Rules | None = None
    notices: dict[Notice, dict[Language, str]] | None = None


class Owners(NamedTuple):
    """Whose something is that only one account may have."""

    login: Owner
    network: Owner


def plan(account: Account | None, wanted: DesiredAccount, said: Said, owners: Owners) -> list[Change]:
    """The changes from `account` (None: not open yet) to `wanted`, in the order in which they are to be made.

    Raises RefusedCommand when there is no way there.
    """
    if account is not None:
        return [*_sections(account, wanted, said, owners)]
    language = wanted.language or Language.EN
    new = Account(name=said.account, language=language, opened_at=said.at)
    return [commands.open_account(said, language), *_sections(new, wanted, said, owners)]


def _sections(account: Account, wanted: DesiredAccount, said: Said, owners: Owners) -> Iterator[Change]:
    if wanted.language is not None:
        yield from commands.choose_language(account, said, wanted.language)
    if wanted.hosts is not None:
        yield from commands.name_hosts(account, said, wanted.hosts)
    if wanted.users is not None:
        yield from _users(account, wanted.users, said, owners.login)
    if wanted.senders is not None:
        yield from _senders(account, wanted.senders, said)
    if wanted.networks is not None:
        yield from _networks(account, wanted.networks, said, owners.network)
    if wanted.rules is not None:
        yield from commands.change_rules(account, said, wanted.rules)
    if wanted.notices is not None:
        yield from _notices(account, wanted.notices, said)


def _users(account: Account, users: dict[str, DesiredUser], said: Said, owner: Owner) -> Iterator[Change]:
    for login in account.credentials.keys() - users.keys():
        yield from commands.remove_user(account, said, login)
    for login, user in users.items():
        yield from commands.put_user(account, said, login, owner, name=user.name, digest=user.digest)


def _senders(account: Account, senders: tuple[str, ...], said: Said) -> Iterator[Change]:
    for pattern in account.senders.keys() - {*senders}:
        yield from commands.withdraw(account, said, pattern)
    for pattern in senders:
        yield from commands.authorise(account, said, pattern)


def _networks(account: Account, networks: dict[str, bool], said: Said, owner: Owner) -> Iterator[Change]:
    for network in account.networks.keys() - networks.keys():
        yield from commands.distrust(account, said, network)
    for network, normalise in networks.items():
        yield from commands.trust(account, said, network, owner, normalise=normalise)


def _notices(account: Account, notices: dict[Notice, dict[Language, str]], said: Said) -> Iterator[Change]:
    for kind, texts in account.notices.items():
        for language in texts.keys() - notices.get(kind, {}).keys():
            yield from commands.withdraw_notice(account, said, kind, language)
    for kind, texts in notices.items():
        for language, text in texts.items():
            yield from commands.write_notice(account, said, kind, language, text)
