"""From an account to what HTTP shows of it: never a hash."""

from typing import Literal

from varco_common.events import Language, Notice, Rules
from varco_common.mail.notices import FACTS, TEXTS
from varco_policy.api.schemas import (
    AccountOut,
    AccountSummary,
    Attachments,
    NetworkOut,
    NoticeOut,
    RulesOut,
    UserName,
    UserOut,
)
from varco_policy.model import Account, Credential

_KINDS = {"$argon2id$": "argon2id", "$argon2": "argon2", "$2": "bcrypt", "$6$": "sha512-crypt", "$5$": "sha256-crypt"}


def account_out(account: Account) -> AccountOut:
    return AccountOut(
        account=account.name,
        language=account.language,
        hosts=[*account.hosts],
        users=[UserName(login=held.login, name=held.name) for held in account.credentials.values()],
        senders=[*account.senders],
        networks=[
            NetworkOut(network=held.network, normalise=True) if held.normalise else held.network
            for held in account.networks.values()
        ],
        rules=rules_out(account.rules),
        notices=account.notices,
    )


def summary(account: Account) -> AccountSummary:
    return AccountSummary(
        account=account.name,
        language=account.language,
        opened_at=account.opened_at,
        hosts=[*account.hosts],
        users=len(account.credentials),
        senders=len(account.senders),
        networks=len(account.networks),
    )


def user_out(held: Credential) -> UserOut:
    kind = next((kind for start, kind in _KINDS.items() if held.hash.startswith(start)), "unknown")
    return UserOut(
        login=held.login,
        name=held.name,
        added_at=held.added_at,
        changed_at=held.changed_at,
        used_at=held.used_at,
        hash=kind,
    )


def rules_out(rules: Rules) -> RulesOut:
    attachments: Literal["any"] | Attachments = (
        "any" if rules.attachments is None else Attachments(allow=[*rules.attachments])
    )
    return RulesOut(
        max_size=rules.max_size,
        max_recipients=rules.max_recipients,
        attachments=attachments,
        encrypted=rules.encrypted,
    )


def notices_out(account: Account) -> list[NoticeOut]:
    return [notice_out(account, kind, language) for kind in Notice for language in Language]


def notice_out(account: Account, kind: Notice, language: Language) -> NoticeOut:
    own = account.notices.get(kind, {}).get(language)
    return NoticeOut(
        notice=kind, language=language, text=own or TEXTS[kind][language], own=own is not None, facts=[*FACTS[kind]]
    )
