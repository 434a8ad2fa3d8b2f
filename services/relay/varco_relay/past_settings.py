"""Where an account's mail went at any time: relay's part of a past state."""

import msgspec

from varco_common.events import AnyEvent
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_relay.model import account_route, route_rules
from varco_relay.route_document import describe_rule, route_section, rules_section
from varco_relay.settings import Settings

SETTINGS = Settings
_EVENTS = (*account_route.SETTINGS_EVENTS, *route_rules.SETTINGS_EVENTS)


class _Routes(msgspec.Struct, frozen=True):
    """An account's route and its rules."""

    route: account_route.AccountRoute | None = None
    rules: route_rules.RouteRules | None = None


def settings_view(_: Settings) -> FoldedSettings[_Routes]:
    """For state as of."""
    return FoldedSettings(*(kind.subject_filter() for kind in _EVENTS), apply=_apply, show=_sections)


def _apply(state: _Routes | None, event: AnyEvent) -> _Routes:
    before = state or _Routes()
    return _Routes(account_route.apply(before.route, event), route_rules.apply(before.rules, event))


def _sections(state: _Routes) -> Sections:
    """Nothing where the default route holds."""
    section = route_section(state.route.route) if state.route else None
    route = {"to": section} if isinstance(section, str) else section or {}
    rules = state.rules.rules if state.rules else ()
    routes = {describe_rule(rule): entry for rule, entry in zip(rules, rules_section(rules), strict=True)}
    return {"route": route} | ({"routes": routes} if routes else {})
