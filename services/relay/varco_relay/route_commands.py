"""Commands for routes: from a request to the events that carry it out. Pure."""

from collections.abc import Sequence

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import Route, RouteRemoved, RouteRule, RouteRulesSet, RouteSet, Smarthost
from varco_common.eventsourcing.commands import Change, CommandContext, Op
from varco_common.mail.sender_patterns import normal
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_document import describe_route, describe_rule
from varco_relay.route_maker import Encrypts, RouteMaker, hops_of
from varco_relay.route_requests import RouteFreedom, RouteRequest, RuleRequest


def set_route(
    state: AccountRoute | None,
    context: CommandContext,
    request: RouteRequest,
    secret_box: Encrypts,
    freedom: RouteFreedom = RouteFreedom.ANY,
    *,
    former: Sequence[Smarthost] = (),
) -> list[Change]:
    """Sets the route; no change if it is so already. `former` as of RouteMaker.

    Raises RefusedCommand.
    """
    before = state.route if state else None
    route = RouteMaker(secret_box, freedom, [before] if before else [], former).route(request)
    if route == before:
        return []
    event = context.event(RouteSet, route=route)
    if not before:
        return [Change("add", "route", "", describe_route(route), event)]
    return [Change("change", "route", "", _difference(before, route), event)]


def remove_route(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """Back to the default route. Raises NotFound if the account has none of its own."""
    if not state or not state.route:
        raise NotFound(f"{context.account} has no route of its own")
    return [Change("remove", "route", "", describe_route(state.route), context.event(RouteRemoved))]


def set_rules(
    state: RouteRules | None,
    context: CommandContext,
    requests: Sequence[RuleRequest],
    secret_box: Encrypts,
    freedom: RouteFreedom = RouteFreedom.ANY,
    *,
    former: Sequence[Smarthost] = (),
) -> list[Change]:
    """Sets the whole list; no change if it is so already. `former` as of RouteMaker.

    Raises RefusedCommand.
    """
    before = state.rules if state else ()
    maker = RouteMaker(secret_box, freedom, [rule.route for rule in before], former)
    rules = rules_of(requests, maker)
    names = [describe_rule(rule) for rule in rules]
    if rules == before:
        return []
    op: Op = "remove" if not rules else "change" if before else "add"
    removes = tuple(f"the route of {name}" for name in map(describe_rule, before) if name not in names)
    detail = _rules_difference(before, rules)
    return [Change(op, "routes", "", detail, context.event(RouteRulesSet, rules=rules), removes=removes)]


def rules_of(requests: Sequence[RuleRequest], maker: RouteMaker) -> tuple[RouteRule, ...]:
    """The rules that the requests ask for. Raises RefusedCommand."""
    rules = tuple(_rule(request, maker) for request in requests)
    names = [describe_rule(rule) for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise RefusedCommand(f"two routes are for {twice}, and the second would never hold")
    return rules


def _rule(request: RuleRequest, maker: RouteMaker) -> RouteRule:
    if not request.senders and not request.recipients:
        raise RefusedCommand("a route for some mail needs senders or recipients: the route of all mail is `route`")
    route = maker.route(request.route)
    return RouteRule(senders=_patterns(request.senders), recipients=_patterns(request.recipients), route=route)


def _patterns(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_pattern, texts)))


def _pattern(text: str) -> str:
    pattern = normal(text)
    domain = pattern.rpartition("@")[2].removeprefix(".")
    if "@" not in text or not domain or any(c.isspace() or not c.isprintable() for c in pattern):
        raise RefusedCommand(
            f"{text!r} covers no address: write a@acme.example, @acme.example (a domain) or @.acme.example (its subdomains)"
        )
    return pattern


def _rules_difference(before: tuple[RouteRule, ...], rules: tuple[RouteRule, ...]) -> str:
    """Each rule that differs; that only their order does, where it is so."""
    old, new = ({describe_rule(rule): rule.route for rule in some} for some in (before, rules))
    parts = []
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            parts.append(f"{name}: removed")
        elif name not in old:
            parts.append(f"{name}: {describe_route(new[name])}")
        elif old[name] != new[name]:
            parts.append(f"{name}: {_difference(old[name], new[name])}")
    return "; ".join(parts) or "in another order"


def _difference(before: Route, route: Route) -> str:
    if describe_route(before) == describe_route(route):
        return _hidden_change(before, route)
    return f"{describe_route(before)} -> {describe_route(route)}"


def _hidden_change(before: Route, route: Route) -> str:
    """What differs between routes that are described alike."""
    old, new = hops_of(before), hops_of(route)
    if [hop.public_only for hop in old] != [hop.public_only for hop in new]:
        return "may be a private address" if any(hop.public_only for hop in old) else "must be a public address"
    of_old, of_new = ([hop.oauth for hop in hops if isinstance(hop, Smarthost)] for hops in (old, new))
    return "password changed" if of_old == of_new else "oauth changed"
