"""Each account's route, and what is known of its next hop.

Folded from events of policy and relay.
"""

from datetime import datetime

import msgspec

from varco_common.events import (
    AccountOpened,
    AnyEvent,
    DeliveryHeld,
    DeliveryReleased,
    Route,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    RouteRemoved,
    RouteRulesSet,
    RouteSet,
    RuleRouteFailed,
    RuleRouteRecovered,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

SETTINGS_EVENTS = (RouteSet, RouteRemoved)
HOLD_EVENTS = (DeliveryHeld, DeliveryReleased)
_EVENTS = (
    *SETTINGS_EVENTS,
    *HOLD_EVENTS,
    RouteLearned,
    RouteFailed,
    RouteRecovered,
    RouteRulesSet,
    RuleRouteFailed,
    RuleRouteRecovered,
    AccountOpened,
)
_UP: dict[str, object] = {"failed": "", "failed_at": None}


class AccountRoute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account with mail to send. `route` None: the default route.

    `failed` says why its route is down, since `failed_at`; `failed_rules` names the rules whose
    routes are. `hold` is the event that holds all its mail, if one does.
    """

    account: str
    route: Route | None = None
    learned: RouteLearned | None = None
    failed: str = ""
    failed_at: datetime | None = None
    failed_rules: tuple[str, ...] = ()
    hold: DeliveryHeld | None = None


def apply(state: AccountRoute | None, event: AnyEvent) -> AccountRoute | None:
    """The state after the event. A closed account stays: its accepted mail is still delivered."""
    match event:
        case AccountOpened():
            change: dict[str, object] = {}
        case RouteSet():
            change = {"route": event.route, **_UP}
        case RouteRemoved():
            change = {"route": None, **_UP}
        case RouteLearned():
            change = {"learned": event}
        case RouteFailed():
            change = {"failed": event.why, "failed_at": event.at}
        case RouteRecovered():
            change = {**_UP}
        case RuleRouteFailed() | RuleRouteRecovered() | RouteRulesSet():
            return _with_rules(state, event)
        case DeliveryHeld():
            change = {"hold": event}
        case DeliveryReleased():
            change = {"hold": None}
        case _:
            return state
    return msgspec.structs.replace(state or AccountRoute(account=event.key), **change)


def _with_rules(
    state: AccountRoute | None, event: RuleRouteFailed | RuleRouteRecovered | RouteRulesSet
) -> AccountRoute | None:
    if not state:
        return None
    failed: tuple[str, ...] = ()
    if not isinstance(event, RouteRulesSet):
        others = tuple(rule for rule in state.failed_rules if rule != event.rule)
        failed = (*others, event.rule) if isinstance(event, RuleRouteFailed) else others
    return msgspec.structs.replace(state, failed_rules=failed)


PROJECTION = ProjectionSpec(
    "routes", tuple(kind.subject_filter() for kind in _EVENTS), apply, AccountRoute, settings=SETTINGS_EVENTS
)
