"""Where the mail of one account goes: the destinations of its route and of its rules."""

from collections.abc import Sequence
from typing import NamedTuple

from varco_common.events import RouteRule
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_document import describe_rule
from varco_relay.smtp.pool_registry import Destination, Unroutable


class RoutePart(NamedTuple):
    """The recipients of a mail that take one route.

    `route` says why they do; it is empty for the account's own.
    """

    destination: Destination
    recipients: tuple[str, ...]
    route: str = ""


class RouteTable:
    """`rules` and `destinations` belong together: one destination for each rule."""

    def __init__(
        self,
        default: Destination,
        rules: RouteRules | None = None,
        destinations: Sequence[Destination] = (),
    ) -> None:
        self.default, self.destinations = default, tuple(destinations)
        self._rules = rules if rules and rules.rules else None

    @property
    def all(self) -> tuple[Destination, ...]:
        return (self.default, *self.destinations)

    @property
    def is_complete(self) -> bool:
        """Whether each route leads somewhere."""
        return not any(isinstance(each, Unroutable) for each in self.all)

    @property
    def has_rules(self) -> bool:
        return self._rules is not None

    def parts(self, sender: str, recipients: tuple[str, ...]) -> list[RoutePart]:
        """The recipients by the route that they take, each once."""
        if self._rules is None:
            return [RoutePart(self.default, recipients)]
        by_rule: dict[int | None, list[str]] = {}
        for recipient in recipients:
            by_rule.setdefault(self._rules.first(sender, recipient), []).append(recipient)
        return [self._part(rule, tuple(covered), self._rules.rules) for rule, covered in by_rule.items()]

    def _part(self, number: int | None, recipients: tuple[str, ...], rules: Sequence[RouteRule]) -> RoutePart:
        if number is None:
            return RoutePart(self.default, recipients)
        return RoutePart(self.destinations[number], recipients, describe_rule(rules[number]))
