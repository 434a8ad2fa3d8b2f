"""An account file as a patch: the document that policy's sections are after it. Pure.

What the file leaves out stays, at every level of a mapping; null or `off` removes; a list is the
whole list. Sections that the file leaves out stay out of the document.
"""

from typing import Any

from pydantic import TypeAdapter

from varco_common.base.errors import RefusedCommand
from varco_common.base.merge_patch import is_off, merged
from varco_common.events import Language, Rules
from varco_common.mail.account_texts import UTC
from varco_common.mail.sender_patterns import normal_sender_pattern
from varco_common.runtime.documents import parsed
from varco_policy.api.request_schemas import AccountDocument
from varco_policy.api.response_rendering import exceptions_out, rules_out
from varco_policy.model.account import Account

_FORM: TypeAdapter[AccountDocument] = TypeAdapter(AccountDocument)
_REMOVED: dict[str, Any] = {
    "language": Language.EN,
    "time_zone": UTC,
    "hosts": [],
    "users": [],
    "senders": [],
    "networks": [],
}


def patched_document(patch: Any, account: Account | None) -> AccountDocument:
    """`account` is None before it is opened. Raises RequestValidationError."""
    if not isinstance(patch, dict):
        return parsed(_FORM, patch)
    return parsed(_FORM, {name: _section(name, value, account) for name, value in patch.items()})


def _section(name: str, patch: Any, account: Account | None) -> Any:
    match name:
        case "rules":
            return _patched_rules(patch, account)
        case "notices":
            return merged(account.notices if account else {}, patch) or {}
    return _REMOVED.get(name) if is_off(patch) else patch


def _patched_rules(patch: Any, account: Account | None) -> Any:
    """All rules after the patch; exceptions only if it names them, or removes the section."""
    if is_off(patch):
        return _rules(Rules()) | {"exceptions": []}
    if not isinstance(patch, dict):
        return patch
    result = _rules(Rules()) | (merged(_rules(account.rules if account else Rules()), patch) or {})
    if "exceptions" in patch:
        entries = patch["exceptions"]
        result["exceptions"] = [] if is_off(entries) else _exceptions(entries, account)
    return result


def _exceptions(entries: Any, account: Account | None) -> Any:
    """What an entry leaves out stays as it is for its sender."""
    if not isinstance(entries, list):
        return entries
    current = {exception["sender"]: exception for exception in exceptions_out(account)} if account else {}
    return [
        merged(current.get(_pattern_or_none(entry.get("sender"))), entry) if isinstance(entry, dict) else entry
        for entry in entries
    ]


def _pattern_or_none(sender: Any) -> str:
    try:
        return normal_sender_pattern(str(sender))
    except RefusedCommand:
        return ""


def _rules(rules: Rules) -> dict[str, Any]:
    return rules_out(rules).model_dump(mode="json")
