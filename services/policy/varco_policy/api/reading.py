"""From what came over HTTP to normal forms, passwords hashed. Raises RefusedCommand on what isn't understood."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from varco_common.errors import RefusedCommand
from varco_common.events import Language, Notice, Rules
from varco_common.notices import wrong_with
from varco_policy import forms
from varco_policy.account import Account, Credential, origin_of
from varco_policy.api.models import Document, NetworkIn, Password, RulesForm, UserIn
from varco_policy.hashes import imported_hash
from varco_policy.networks import normal_network
from varco_policy.verifier import Verifier
from varco_policy.wanted import User, Wanted

_NOT_HASHED = "(a dry run hashes nothing)"


async def wanted(
    document: Document, account: Account | None, verifier: Verifier, reason: str, *, dry_run: bool
) -> Wanted:
    """The document's sections in their normal form. A password that is right already is no change."""
    held = account.credentials if account else {}
    return Wanted(
        language=document.language,
        hosts=None if document.hosts is None else hosts(document.hosts),
        users=None if document.users is None else await users(document.users, held, verifier, dry_run=dry_run),
        senders=None if document.senders is None else unique(map(forms.sender_pattern, document.senders)),
        networks=None if document.networks is None else networks(document.networks, reason),
        rules=None if document.rules is None else rules(document.rules, account.rules if account else Rules()),
        notices=None if document.notices is None else notices(document.notices),
    )


async def users(
    given: Iterable[UserIn], held: Mapping[str, Credential], verifier: Verifier, *, dry_run: bool = False
) -> dict[str, User]:
    """By login. One password after the other is hashed, so that logins come in between."""
    read: dict[str, User] = {}
    for user in given:
        login = forms.login(user.login)
        if login in read:
            raise RefusedCommand(f"the login {login} is given twice")
        digest = await new_digest(user, held.get(login), verifier, dry_run=dry_run)
        read[login] = User(user.name, digest)
    return read


async def new_digest(
    given: Password, held: Credential | None, verifier: Verifier, *, dry_run: bool = False
) -> str | None:
    """The hash to store; None where there is nothing to change."""
    if given.password and given.password_hash:
        raise RefusedCommand("give a password or a password_hash, not both")
    if given.password_hash:
        digest = imported_hash(given.password_hash.get_secret_value())
        return None if held and held.origin == origin_of(digest) else digest
    if not given.password:
        return None
    password = given.password.get_secret_value()
    if held and await verifier.verify(held.hash, password):
        return None
    return _NOT_HASHED if dry_run else await verifier.make(password)


def networks(given: Iterable[str | NetworkIn], reason: str) -> dict[str, bool]:
    """CIDR to whether bare line ends are mended."""
    forms_ = [item if isinstance(item, NetworkIn) else NetworkIn(network=item) for item in given]
    return {network(form.network, reason, force=form.force): form.normalise for form in forms_}


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
        given["attachments"] = unique(map(forms.extension, form.attachments.allow))
    return replace(held, **given)


def hosts(given: Iterable[str]) -> tuple[str, ...]:
    return unique(map(forms.host_name, given))


def notices(given: Mapping[Notice, Mapping[Language, str]]) -> dict[Notice, dict[Language, str]]:
    return {kind: {language: words(kind, text) for language, text in texts.items()} for kind, texts in given.items()}


def words(kind: Notice, text: str) -> str:
    """An account's own notice, as it is stored."""
    text = text.replace("\r\n", "\n").rstrip()
    if wrong := wrong_with(kind, text):
        raise RefusedCommand(f"notice {kind}: {wrong}")
    return text


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """Without doubles, in the order given."""
    return tuple(dict.fromkeys(items))
