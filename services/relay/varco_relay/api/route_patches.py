"""Routes after a patch, as an account file writes them. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from varco_common.base.merge_patch import is_off, merged
from varco_common.events import Route, RouteRule
from varco_common.mail.sender_patterns import normal
from varco_common.runtime.documents import parsed
from varco_relay.api.route_forms import RouteIn, RouteRulesIn
from varco_relay.route_document import BLACKHOLE, MX, route_section, rules_section
from varco_relay.route_requests import DirectRequest, RouteRequest, RuleRequest

_KINDS = ("smarthost", "smarthosts", "to")
_FORM: TypeAdapter[RouteIn] = TypeAdapter(RouteIn)
_RULES: TypeAdapter[list[Any]] = TypeAdapter(RouteRulesIn)


def patched_route(current: Route | None, patch: Any) -> RouteRequest | None:
    """The route after the patch; None for the default one.

    Raises RequestValidationError or RefusedCommand.
    """
    document = _merged(route_section(current), patch)
    if is_off(document):
        return None
    if document == BLACKHOLE:
        return BLACKHOLE
    return DirectRequest() if document == MX else parsed(_FORM, document).request()


def patched_rules(current: tuple[RouteRule, ...], patch: Any) -> list[RuleRequest]:
    """The rules after the patch, which has the whole list.

    What an entry leaves out stays as it is in the rule for the same mail.
    Raises as `patched_route`.
    """
    if is_off(patch):
        return []
    before = {_match(section): section for section in rules_section(current)}
    entries = patch if isinstance(patch, list) else [patch]
    document = [_merged(before.get(_match(entry)), entry) if isinstance(entry, Mapping) else entry for entry in entries]
    return [rule.rule() for rule in parsed(_RULES, document)]


def _merged(current: Any, patch: Any) -> Any:
    """Another kind of route replaces the present one; only a session with smarthosts stays."""
    kind = _kind(patch)
    if kind and isinstance(current, dict) and kind != _kind(current):
        kept = {"tls", "login", "senders", "recipients"} if "to" not in (kind, _kind(current)) else set()
        current = {name: value for name, value in current.items() if name in kept}
    return merged(current, patch)


def _kind(document: Any) -> str:
    """Which of the keys the document has, each of which excludes the others."""
    has = document if isinstance(document, Mapping) else {}
    return next((name for name in _KINDS if not is_off(has.get(name))), "")


def _match(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Which mail the entry is about."""
    lists = (entry.get(name) or () for name in ("senders", "recipients"))
    return tuple(tuple(normal(str(pattern)) for pattern in some if pattern) for some in lists)
