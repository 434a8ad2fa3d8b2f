"""From an account to what the API shows of it."""

from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from varco_common.events import Language, Notice, Rules
from varco_common.mail.notice_texts import FACTS, TEXTS
from varco_policy.api.request_schemas import Attachments
from varco_policy.api.response_schemas import (
    AccountOut,
    AccountSummary,
    AttachmentExceptionOut,
    DisabledUser,
    NetworkOut,
    NoticeOut,
    RulesInFile,
    RulesOut,
    UserName,
    UserOut,
)
from varco_policy.model.account import Account, AttachmentException
from varco_policy.model.credential import Credential

_HASH_KINDS = {
    "$argon2id$": "argon2id",
    "$argon2": "argon2",
    "$2": "bcrypt",
    "$6$": "sha512-crypt",
    "$5$": "sha256-crypt",
}


def account_out(account: Account) -> AccountOut:
    return AccountOut(
        account=account.name,
        language=language_out(account),
        time_zone=account.time_zone,
        hosts=[*account.hosts],
        users=[_user_in_file(credential) for credential in account.credentials.values()],
        senders=[*account.senders],
        networks=[
            NetworkOut(network=trusted.network, normalise=True, domain=trusted.domain)
            if trusted.normalise
            else trusted.network
            for trusted in account.networks.values()
        ],
        rules=RulesInFile(**dict(rules_out(account.rules)), exceptions=exceptions_out(account)),
        notices=account.notices,
    )


def language_out(account: Account) -> Language | list[Language]:
    """As an account file has it."""
    return [*account.languages] if account.also else account.language


def _user_in_file(credential: Credential) -> DisabledUser | UserName:
    return (DisabledUser if credential.disabled else UserName)(login=credential.login, name=credential.name)


def attachment_exception_out(exception: AttachmentException, now: datetime) -> AttachmentExceptionOut:
    besides = exception.attachments
    return AttachmentExceptionOut(
        sender=exception.pattern,
        attachments="any" if besides is None else Attachments(allow=[*besides]),
        since=exception.since,
        until=exception.until,
        ended=not exception.holds(now),
        by=exception.by,
        reason=exception.reason,
    )


def account_summary(account: Account) -> AccountSummary:
    return AccountSummary(
        account=account.name,
        language=language_out(account),
        opened_at=account.opened_at,
        hosts=[*account.hosts],
        users=len(account.credentials),
        senders=len(account.senders),
        networks=len(account.networks),
    )


def user_out(credential: Credential) -> UserOut:
    kind = next((kind for start, kind in _HASH_KINDS.items() if credential.hash.startswith(start)), "unknown")
    return UserOut.model_validate({**asdict(credential), "hash": kind})


def rules_out(rules: Rules) -> RulesOut:
    return RulesOut(
        max_size=rules.max_size,
        max_recipients=rules.max_recipients,
        attachments="any" if rules.attachments is None else Attachments(allow=[*rules.attachments]),
        encrypted=rules.encrypted,
        display_addresses=rules.display_addresses,
        unauthorised_senders=rules.unauthorised_senders,
    )


def exceptions_out(account: Account) -> list[dict[str, Any]]:
    """The exceptions of attachments, as an account file has them."""
    return [
        {
            "sender": exception.pattern,
            "attachments": "any" if exception.attachments is None else [*exception.attachments],
            **({"until": exception.until.isoformat()} if exception.until else {}),
            "reason": exception.reason or "not given",
        }
        for exception in account.exceptions.values()
    ]


def notice_out(account: Account, notice: Notice, language: Language) -> NoticeOut:
    own = account.notices.get(notice, {}).get(language)
    return NoticeOut(
        notice=notice,
        language=language,
        text=own or TEXTS[notice][language],
        own=own is not None,
        facts=[*FACTS[notice]],
    )
