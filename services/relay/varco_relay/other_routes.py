"""An account's routes as another account file would have them. Nothing is changed by it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from varco_common.events import AnyEvent, Route
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.replayable import RefusedSection
from varco_common.mail.route_question import RouteAnswer, decode_question, encode
from varco_common.runtime.documents import refused_sections
from varco_relay.api.route_patches import patched_route, patched_rules
from varco_relay.model import account_route, route_rules
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_commands import remove_route, set_route, set_rules
from varco_relay.route_document import describe_route, describe_rule
from varco_relay.route_maker import Encrypts


class ChosenRoute(NamedTuple):
    """Where mail goes. `why` names the rule, or says that none covers it."""

    goes_to: str
    why: str


class Routes(NamedTuple):
    """An account's own route (or the default one) and its rules."""

    own: Route | None
    rules: RouteRules

    def chosen(self, sender: str, recipient: str) -> ChosenRoute:
        number = self.rules.first(sender, recipient)
        if number is None:
            why = "no rule covers it" if self.rules.rules else "there are no rules"
            return ChosenRoute(describe_route(self.own), why)
        rule = self.rules.rules[number]
        return ChosenRoute(describe_route(rule.route), f"rule {number + 1}: {describe_rule(rule)}")


class OtherRoutes:
    """`default` is the route of accounts without one of their own."""

    def __init__(
        self,
        routes: Projection[AccountRoute],
        rules: Projection[RouteRules],
        default: Route | None,
        secret_box: Encrypts,
    ) -> None:
        self._routes, self._rules, self._default, self._secret_box = routes, rules, default, secret_box

    def now(self, account: str) -> Routes:
        return self._joined(account, self._routes.get(account), self._rules.get(account))

    def under(self, account: str, sections: Mapping[str, Any]) -> tuple[Routes, list[str]]:
        """The routes under these sections, and what that changes, for people.

        Raises RequestValidationError or RefusedCommand.
        """
        route, rules = self._routes.get(account), self._rules.get(account)
        context, changes = CommandContext(account, datetime.now(UTC), ""), list[Change]()
        if "route" in sections:
            present = route.route if route else None
            if request := patched_route(present, sections["route"]):
                changes += set_route(route, context, request, self._secret_box)
            elif present:
                changes += remove_route(route, context)
        if "routes" in sections:
            wanted = patched_rules(rules.rules if rules else (), sections["routes"])
            changes += set_rules(rules, context, wanted, self._secret_box)
        for change in changes:
            event = cast("AnyEvent", change.event)
            route, rules = account_route.apply(route, event), route_rules.apply(rules, event)
        return self._joined(account, route, rules), [change.line for change in changes]

    def _joined(self, account: str, route: AccountRoute | None, rules: RouteRules | None) -> Routes:
        return Routes((route.route if route else None) or self._default, rules or RouteRules(account=account))

    async def answer(self, data: bytes) -> bytes:
        """For audit's what-if."""
        question = decode_question(data)
        try:
            with refused_sections():
                after, changes = self.under(question.account, question.sections)
        except RefusedSection as refusal:
            return encode(RouteAnswer(refused=str(refusal), where=refusal.where))
        names: dict[str, int] = {}
        places = [
            [names.setdefault(routes.chosen(*pair).goes_to, len(names)) for pair in question.pairs]
            for routes in (self.now(question.account), after)
        ]
        return encode(RouteAnswer(routes=[*names], before=places[0], after=places[1], changes=changes))
