"""Changes of one account, decided on its state: each is a fact to append and a line for whoever asked. Nothing to do: none."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from varco_common.base import units
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    AccountClosed,
    AccountOpened,
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    HostsNamed,
    Language,
    LanguageChosen,
    NetworkTrusted,
    NetworkWithdrawn,
    Notice,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    PolicyEvent,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_policy.model import Account

E = TypeVar("E", bound=PolicyEvent)
Op = Literal["add", "remove", "change"]
Owner = Callable[[str], str | None]  # whose a login or a network is

_SIGNS: dict[Op, str] = {"add": "+", "remove": "-", "change": "~"}


class Change(NamedTuple):
    """One difference: `section` and `key` say of what, `line` is for people, `event` is the fact that makes it so."""

    op: Op
    section: str
    key: str
    detail: str
    event: PolicyEvent

    @property
    def line(self) -> str:
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail)))


class Said(NamedTuple):
    """Who asks for a change of which account, when and why."""

    account: str
    at: datetime
    by: str
    reason: str = ""

    def fact(self, kind: type[E], **fields: Any) -> E:
        return kind(account=self.account, at=self.at, by=self.by, reason=self.reason, **fields)


def open_account(said: Said, language: Language) -> Change:
    return Change("add", "account", said.account, "", said.fact(AccountOpened, language=language))


def close_account(said: Said) -> Change:
    return Change("remove", "account", said.account, "with all that it holds", said.fact(AccountClosed))


def choose_language(account: Account, said: Said, wanted: Language) -> list[Change]:
    if wanted is account.language:
        return []
    detail = f"{account.language} -> {wanted}"
    return [Change("change", "language", "", detail, said.fact(LanguageChosen, language=wanted))]


def name_hosts(account: Account, said: Said, wanted: tuple[str, ...]) -> list[Change]:
    if {*wanted} == {*account.hosts}:
        return []
    detail = f"{', '.join(account.hosts) or 'none'} -> {', '.join(wanted) or 'none'}"
    return [Change("change", "hosts", "", detail, said.fact(HostsNamed, hosts=wanted))]


def authorise(account: Account, said: Said, pattern: str) -> list[Change]:
    if pattern in account.senders:
        return []
    return [Change("add", "sender", pattern, "", said.fact(SenderAuthorised, pattern=pattern))]


def withdraw(account: Account, said: Said, pattern: str) -> list[Change]:
    if pattern not in account.senders:
        raise NotFound(f"{pattern} is not among the senders of {account.name}")
    return [Change("remove", "sender", pattern, "", said.fact(SenderWithdrawn, pattern=pattern))]


def trust(account: Account, said: Said, wanted: str, owner: Owner, *, normalise: bool) -> list[Change]:
    held = account.networks.get(wanted)
    if held and held.normalise == normalise:
        return []
    if (other := owner(wanted)) not in (None, account.name):
        raise RefusedCommand(
            f"{wanted} is already trusted for account {other}: withdraw it there, or trust a part of it"
        )
    event = said.fact(NetworkTrusted, network=wanted, normalise=normalise)
    detail = "bare line ends are mended" if normalise else "bare line ends are refused" if held else ""
    return [Change("change" if held else "add", "network", wanted, detail, event)]


def distrust(account: Account, said: Said, wanted: str) -> list[Change]:
    if wanted not in account.networks:
        raise NotFound(f"{wanted} is not among the networks of {account.name}")
    return [Change("remove", "network", wanted, "", said.fact(NetworkWithdrawn, network=wanted))]


def put_user(
    account: Account, said: Said, login: str, owner: Owner, *, name: str | None, digest: str | None
) -> list[Change]:
    """`digest` None leaves the password as it is, and so does `name` None the name."""
    held = account.credentials.get(login)
    if held is None:
        if owner(login) not in (None, account.name):
            raise RefusedCommand(f"the login {login} belongs to another account")
        if digest is None:
            raise RefusedCommand(f"{login} is new: it needs a password or a password_hash")
        added = said.fact(CredentialAdded, login=login, name=name or login, hash=digest)
        return [Change("add", "user", login, "", added)]
    changes = []
    if name is not None and name != held.name:
        renamed = said.fact(CredentialRenamed, login=login, name=name)
        changes.append(Change("change", "user", login, f"name: {held.name} -> {name}", renamed))
    if digest is not None:
        changed = said.fact(PasswordChanged, login=login, hash=digest)
        changes.append(Change("change", "user", login, "password changed", changed))
    return changes


def remove_user(account: Account, said: Said, login: str) -> list[Change]:
    if login not in account.credentials:
        raise NotFound(f"{login} is no login of {account.name}")
    return [Change("remove", "user", login, "", said.fact(CredentialRemoved, login=login))]


def change_rules(account: Account, said: Said, wanted: Rules) -> list[Change]:
    differences = [
        f"{name}: {shown_rule(account.rules, name)} -> {shown_rule(wanted, name)}"
        for name in Rules.__struct_fields__
        if getattr(account.rules, name) != getattr(wanted, name)
    ]
    if not differences:
        return []
    return [Change("change", "rules", "", "; ".join(differences), said.fact(RulesChanged, rules=wanted))]


def write_notice(account: Account, said: Said, kind: Notice, language: Language, text: str) -> list[Change]:
    held = account.notices.get(kind, {}).get(language)
    if held == text:
        return []
    event = said.fact(NoticeWritten, notice=kind, language=language, text=text)
    return [Change("change" if held else "add", "notice", f"{kind} ({language})", "", event)]


def withdraw_notice(account: Account, said: Said, kind: Notice, language: Language) -> list[Change]:
    if language not in account.notices.get(kind, {}):
        raise NotFound(f"{account.name} has no words of its own for {kind} in {language}")
    event = said.fact(NoticeWithdrawn, notice=kind, language=language)
    return [Change("remove", "notice", f"{kind} ({language})", "", event)]


def shown_rule(rules: Rules, name: str) -> str:
    """A rule's value as an account file writes it."""
    value = getattr(rules, name)
    if name == "max_size":
        return units.format_size(value)
    if name == "attachments":
        return "any" if value is None else " ".join(value) or "none"
    return str(value)
