"""From what came over HTTP to normal forms, passwords hashed. Raises RefusedCommand on what isn't understood."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace

from varco_common.base.errors import RefusedCommand
from varco_common.events import Language, Notice, Rules
from varco_common.mail.notices import wrong_with
from varco_common.runtime.passwords import PasswordVerifier
from varco_policy import normalization
from varco_policy.api.schemas import AccountDocument, NetworkIn, PasswordForm, RulesForm, UserIn
from varco_policy.desired_state import DesiredAccount, DesiredUser
from varco_policy.model import Account, Credential, hash_fingerprint
from varco_policy.network_index import normal_network
from varco_policy.password_hashes import imported_hash

_NOT_HASHED = "(a dry run hashes nothing)"


async def wanted(
    document: AccountDocument, account: Account | None, verifier: PasswordVerifier, reason: str, *, dry_run: bool
) -> DesiredAccount:
    """The document's sections in their normal form. A password that is right already is no change.

    A mistake is a RequestValidationError that names its place, so that it can be found in the file.
    """
    found = without_users(document, account, reason)
    if document.users is None:
        return found
    held = account.credentials if account else {}
    return replace(found, users=await users("users", document.users, held, verifier, dry_run=dry_run))


def without_users(document: AccountDocument, account: Account | None, reason: str) -> DesiredAccount:
    """As `wanted`, for whom the logins' passwords don't matter."""
    return DesiredAccount(
        language=document.language,
        hosts=_each("hosts", document.hosts, normalization.normal_host_name),
        senders=_each("senders", document.senders, normalization.normal_sender_pattern),
        networks=_networks(document.networks, reason),
        rules=_rules(document.rules, account.rules if account else Rules()),
        notices=_notices(document.notices),
    )


async def users(
    section: str,
    given: Iterable[UserIn],
    held: Mapping[str, Credential],
    verifier: PasswordVerifier,
    *,
    dry_run: bool = False,
) -> dict[str, DesiredUser]:
    """By login. One password after the other is hashed, so that logins come in between."""
    read: dict[str, DesiredUser] = {}
    for place, user in enumerate(given):
        with _at(section, place):
            login = normalization.normal_login(user.login)
            if login in read:
                raise RefusedCommand(f"the login {login} is given twice")
            read[login] = DesiredUser(user.name, await new_digest(user, held.get(login), verifier, dry_run=dry_run))
    return read


async def new_digest(
    given: PasswordForm, held: Credential | None, verifier: PasswordVerifier, *, dry_run: bool = False
) -> str | None:
    """The hash to store; None where there is nothing to change."""
    if given.password and given.password_hash:
        raise RefusedCommand("give a password or a password_hash, not both")
    if given.password_hash:
        digest = imported_hash(given.password_hash.get_secret_value())
        return None if held and held.origin == hash_fingerprint(digest) else digest
    if not given.password:
        return None
    password = given.password.get_secret_value()
    if held and await verifier.verify(held.hash, password):
        return None
    return _NOT_HASHED if dry_run else await verifier.make(password)


def network(text: str, reason: str, *, force: bool) -> str:
    """A broad network wants force, and force a reason."""
    if force and not reason.strip():
        raise RefusedCommand(f"trusting {text} by force needs a reason")
    return normal_network(text, forced=force)


def rules(form: RulesForm, held: Rules) -> Rules:
    """What the form leaves out stays as it is."""
    given: dict[str, Any] = {
        name: value
        for name in ("max_size", "max_recipients", "encrypted")
        if (value := getattr(form, name)) is not None
    }
    if form.attachments == "any":
        given["attachments"] = None
    elif form.attachments is not None:
        given["attachments"] = unique(map(normalization.normal_extension, form.attachments.allow))
    return replace(held, **given)


def hosts(given: Iterable[str]) -> tuple[str, ...]:
    return unique(map(normalization.normal_host_name, given))


def words(kind: Notice, text: str) -> str:
    """An account's own notice, as it is stored."""
    text = text.replace("\r\n", "\n").rstrip()
    if wrong := wrong_with(kind, text):
        raise RefusedCommand(f"notice {kind}: {wrong}")
    return text


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """Without doubles, in the order given."""
    return tuple(dict.fromkeys(items))


@contextmanager
def _at(*where: str | int) -> Iterator[None]:
    """What is refused inside is refused at this place of the body."""
    try:
        yield
    except RefusedCommand as refusal:
        error = {"loc": ("body", *where), "msg": str(refusal), "type": "refused"}
        raise RequestValidationError([error]) from None


def _each(section: str, given: Iterable[str] | None, read: Callable[[str], str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    found = []
    for place, item in enumerate(given):
        with _at(section, place):
            found.append(read(item))
    return unique(found)


def _networks(given: Iterable[str | NetworkIn] | None, reason: str) -> dict[str, bool] | None:
    """CIDR to whether bare line ends are mended."""
    if given is None:
        return None
    found = {}
    for place, item in enumerate(given):
        form = item if isinstance(item, NetworkIn) else NetworkIn(network=item)
        with _at("networks", place):
            found[network(form.network, reason, force=form.force)] = form.normalise
    return found


def _rules(form: RulesForm | None, held: Rules) -> Rules | None:
    if form is None:
        return None
    with _at("rules", "attachments"):
        return rules(form, held)


def _notices(given: Mapping[Notice, Mapping[Language, str]] | None) -> dict[Notice, dict[Language, str]] | None:
    if given is None:
        return None
    found: dict[Notice, dict[Language, str]] = {}
    for kind, texts in given.items():
        for language, text in texts.items():
            with _at("notices", kind, language):
                found.setdefault(kind, {})[language] = words(kind, text)
    return found
