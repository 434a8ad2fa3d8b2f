"""From a request to normal forms, with passwords hashed.

A mistake in an account file is a RequestValidationError that names its place, so that people find
it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Self, TypeVar

from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace

from varco_common.base.errors import RefusedCommand
from varco_common.base.time_zones import in_utc
from varco_common.events import Language, Notice, Rules
from varco_common.mail.account_texts import UTC
from varco_common.mail.notices import wrong_with
from varco_common.mail.sender_patterns import normal_sender_pattern
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.tokens import ApiToken
from varco_policy import normalization
from varco_policy.api.request_schemas import (
    MAX_USERS,
    AccountDocument,
    AttachmentExceptionIn,
    Attachments,
    NetworkForm,
    NetworkIn,
    PasswordForm,
    RulesChange,
    RulesForm,
    UserIn,
)
from varco_policy.commands import AttachmentExceptionRequest
from varco_policy.desired_state import DesiredAccount, DesiredNetwork, DesiredUser
from varco_policy.model.account import Account, TrustedNetwork
from varco_policy.model.credential import Credential, hash_fingerprint
from varco_policy.password_hashes import imported_hash

T = TypeVar("T")
R = TypeVar("R")

MAX_PASSWORDS = 500  # in clear, in one request of an account's token: a minute of CPU
_NOT_HASHED = "(a dry run hashes nothing)"


class AccountHashing(NamedTuple):
    """Hashes for one account. Accounts take turns; one request may ask for `most` passwords.

    A dry run hashes nothing.
    """

    verifier: PasswordVerifier
    account: str
    most: int
    dry_run: bool = False

    @classmethod
    def of(cls, verifier: PasswordVerifier, account: str, token: ApiToken, *, dry_run: bool = False) -> Self:
        return cls(verifier, f"account {account}", MAX_USERS if token.is_admin else MAX_PASSWORDS, dry_run)

    async def verify(self, digest: str, password: str) -> bool:
        return await self.verifier.verify(digest, password, self.account)

    async def make(self, password: str) -> str:
        return _NOT_HASHED if self.dry_run else await self.verifier.make(password, self.account)


async def parse_document(
    document: AccountDocument, account: Account | None, hashing: AccountHashing, reason: str
) -> DesiredAccount:
    """The account that the file describes. A password that is right already is no change."""
    desired = parse_without_users(document, account, reason)
    if document.users is None:
        return desired
    credentials = account.credentials if account else {}
    return replace(desired, users=await parse_users("users", document.users, credentials, hashing))


def parse_without_users(document: AccountDocument, account: Account | None, reason: str) -> DesiredAccount:
    """As `parse_document`, without the section `users`."""
    sections: dict[str, Any] = {"time_zone": document.time_zone}
    if document.language is not None:
        sections["languages"] = tuple(document.language)
    if document.hosts is not None:
        sections["hosts"] = _unique(_each("hosts", document.hosts, normalization.normal_host_name))
    if document.senders is not None:
        sections["senders"] = _unique(_each("senders", document.senders, normal_sender_pattern))
    if document.networks is not None:
        trusted = account.networks if account else {}
        sections["networks"] = dict(
            _each("networks", document.networks, lambda item: _network_item(item, reason, trusted))
        )
    if document.rules is not None:
        with _at("rules", "attachments"):
            sections["rules"] = parse_rules(document.rules, account.rules if account else Rules())
        if document.rules.exceptions is not None:
            zone = document.time_zone or (account.time_zone if account else UTC)
            sections["exceptions"] = _parse_exceptions(document.rules.exceptions, zone)
    if document.notices is not None:
        sections["notices"] = _parse_notices(document.notices)
    return DesiredAccount(**sections)


async def parse_users(
    section: str, users: Iterable[UserIn], credentials: Mapping[str, Credential], hashing: AccountHashing
) -> dict[str, DesiredUser]:
    """The users by login.

    Passwords are hashed one after the other, so that logins need not wait for all of them. Raises
    RefusedCommand if there are more than `hashing.most`.
    """
    users = [*users]
    if (count := sum(user.password is not None for user in users)) > hashing.most:
        raise RefusedCommand(
            f"{count} passwords in clear: an account's token may send {hashing.most} at once; send hashes, or several requests"
        )
    desired: dict[str, DesiredUser] = {}
    for place, user in enumerate(users):
        with _at(section, place):
            login = normalization.normal_login(user.login)
            if login in desired:
                raise RefusedCommand(f"the login {login} is given twice")
            hashed = await new_hash(user, credentials.get(login), hashing)
            removed = {name for name in user.model_fields_set if getattr(user, name) is None}
            name, disabled = (
                login if "name" in removed else user.name,
                False if "disabled" in removed else user.disabled,
            )
            desired[login] = DesiredUser(name, hashed, disabled)
    return desired


async def new_hash(form: PasswordForm, credential: Credential | None, hashing: AccountHashing) -> str | None:
    """The hash to store; None if there is nothing to change."""
    if form.password and form.password_hash:
        raise RefusedCommand("give a password or a password_hash, not both")
    if form.password_hash:
        imported = imported_hash(form.password_hash.get_secret_value())
        return None if credential and credential.origin == hash_fingerprint(imported) else imported
    if not form.password:
        return None
    password = form.password.get_secret_value()
    if credential and await hashing.verify(credential.hash, password):
        return None
    return await hashing.make(password)


def parse_network(text: str, reason: str, *, force: bool) -> str:
    """A broad network must be forced, and that needs a reason."""
    if force and not reason.strip():
        raise RefusedCommand(f"trusting {text} by force needs a reason")
    return normalization.normal_network(text, forced=force)


def parse_domain(form: NetworkForm) -> str:
    """The domain of addresses that have none."""
    if form.domain and not form.normalise:
        raise RefusedCommand("domain needs normalise: true")
    return normalization.normal_host_name(form.domain) if form.domain else ""


def parse_rules(form: RulesForm, current: Rules) -> Rules:
    """The current rules with those of the form."""
    given: dict[str, Any] = {
        name: value
        for name in ("max_size", "max_recipients", "encrypted", "display_addresses", "unauthorised_senders")
        if (value := getattr(form, name)) is not None
    }
    if form.attachments is not None:
        given["attachments"] = parse_attachments(form.attachments)
    return replace(current, **given)


def parse_rules_change(form: RulesChange, current: Rules) -> Rules:
    """As `parse_rules`, then with single extensions added and removed."""
    rules = parse_rules(form, current)
    added = _unique(map(normalization.normal_extension, form.add_attachments))
    removed = _unique(map(normalization.normal_extension, form.remove_attachments))
    if not added and not removed:
        return rules
    if rules.attachments is None:
        raise RefusedCommand("any attachment may pass: give the whole list instead, such as pdf,txt")
    if missing := [extension for extension in removed if extension not in rules.attachments]:
        raise RefusedCommand(f"{', '.join(missing)}: not among the attachments that may pass")
    allowed = _unique([*rules.attachments, *added])
    return replace(rules, attachments=tuple(extension for extension in allowed if extension not in removed))


def parse_attachments(attachments: Literal["any"] | Attachments) -> tuple[str, ...] | None:
    """Extensions in normal form; None for any."""
    return None if attachments == "any" else _unique(map(normalization.normal_extension, attachments.allow))


def parse_hosts(names: Iterable[str]) -> tuple[str, ...]:
    return _unique(map(normalization.normal_host_name, names))


def parse_notice(notice: Notice, text: str) -> str:
    """An account's own text of a notice, as it is stored."""
    text = text.replace("\r\n", "\n").rstrip()
    if wrong := wrong_with(notice, text):
        raise RefusedCommand(f"notice {notice}: {wrong}")
    return text


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    """Without duplicates, in the given order."""
    return tuple(dict.fromkeys(items))


def _network_item(
    item: str | NetworkIn, reason: str, trusted: Mapping[str, TrustedNetwork]
) -> tuple[str, DesiredNetwork]:
    """The network in normal form, and how it is trusted. What the item leaves out stays."""
    form = item if isinstance(item, NetworkIn) else NetworkIn(network=item)
    network = normalization.normal_network(form.network, forced=True)
    current = trusted.get(network)
    if current is None:
        return parse_network(form.network, reason, force=form.force), DesiredNetwork(form.normalise, parse_domain(form))
    given = form.model_fields_set
    kept = {name: getattr(current, name) for name in ("normalise", "domain") if name not in given}
    if not form.normalise and "normalise" in given:
        kept.pop("domain", None)  # it is of use with `normalise` only
    form = form.model_copy(update=kept)
    return network, DesiredNetwork(form.normalise, parse_domain(form))


def _parse_exceptions(entries: Iterable[AttachmentExceptionIn], zone: str) -> dict[str, AttachmentExceptionRequest]:
    """The attachment exceptions by pattern."""
    requests: dict[str, AttachmentExceptionRequest] = {}
    for place, entry in enumerate(entries):
        with _at("rules", "exceptions", place):
            pattern = normal_sender_pattern(entry.sender)
            if pattern in requests:
                raise RefusedCommand(f"{pattern} is excepted twice")
            until = in_utc(entry.until, zone) if entry.until else None
            requests[pattern] = AttachmentExceptionRequest(
                pattern, parse_attachments(entry.attachments), until, entry.reason
            )
    return requests


def _parse_notices(notices: Mapping[Notice, Mapping[Language, str]]) -> dict[Notice, dict[Language, str]]:
    parsed: dict[Notice, dict[Language, str]] = {}
    for notice, texts in notices.items():
        for language, text in texts.items():
            with _at("notices", notice, language):
                parsed.setdefault(notice, {})[language] = parse_notice(notice, text)
    return parsed


@contextmanager
def _at(*place: str | int) -> Iterator[None]:
    """A command that is refused inside is refused at this place of the body."""
    try:
        yield
    except RefusedCommand as refusal:
        error = {"loc": ("body", *place), "msg": str(refusal), "type": "refused"}
        raise RequestValidationError([error]) from None


def _each(section: str, items: Iterable[T], parse: Callable[[T], R]) -> Iterator[R]:
    for place, item in enumerate(items):
        with _at(section, place):
            yield parse(item)
