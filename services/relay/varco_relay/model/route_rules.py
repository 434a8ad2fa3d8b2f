"""Which route the mail of a sender to a recipient takes.

Folded from events. Pure.
"""

import msgspec

from varco_common.events import AnyEvent, RouteRule, RouteRulesSet
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.sender_patterns import narrowest_pattern


class RouteRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account's rules; the first that covers sender and recipient holds."""

    account: str
    rules: tuple[RouteRule, ...] = ()

    def first(self, sender: str, recipient: str) -> int | None:
        """The place of the rule that covers them; None: the account's route holds."""
        return next((number for number, rule in enumerate(self.rules) if _covers(rule, sender, recipient)), None)


def apply(state: RouteRules | None, event: AnyEvent) -> RouteRules | None:
    """The state after the event."""
    return RouteRules(account=event.account, rules=event.rules) if isinstance(event, RouteRulesSet) else state


def _covers(rule: RouteRule, sender: str, recipient: str) -> bool:
    pairs = ((rule.senders, sender), (rule.recipients, recipient))
    return all(not patterns or narrowest_pattern(address, patterns) for patterns, address in pairs)


SETTINGS_EVENTS = (RouteRulesSet,)
PROJECTION = ProjectionSpec(
    "route_rules", (RouteRulesSet.subject_filter(),), apply, RouteRules, settings=SETTINGS_EVENTS
)
