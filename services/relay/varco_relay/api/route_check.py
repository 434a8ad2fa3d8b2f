"""HTTP: an account's routes, checked step by step."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from varco_common.base.errors import NotFound
from varco_common.events import DirectDelivery, Route, Smarthost, Smarthosts
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.request_model import StrictModel
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_checker import CheckedHop, RouteChecker
from varco_relay.route_document import describe_hop, describe_route, describe_rule
from varco_relay.route_maker import hops_of


class StepOut(BaseModel):
    """`step` is dns, policy (DANE, MTA-STS), connection, tls, token or login.

    `advice` says what to do where it failed.
    """

    model_config = ConfigDict(from_attributes=True)

    step: str
    ok: bool
    text: str
    advice: str = ""


class HopCheckOut(BaseModel):
    """One next hop; `used_for` says for which mail. The steps end with the first that failed."""

    next_hop: str
    used_for: str
    ready: bool
    steps: list[StepOut]


class RouteCheckOut(BaseModel):
    """`ready` if every next hop takes mail; with a recipient, if one of its route does.

    `why` says why there is none to check.
    """

    account: str
    goes_to: str
    ready: bool
    why: str = ""
    hops: list[HopCheckOut] = []


class RouteCheckIn(StrictModel):
    """Which of the routes are walked along: those of all mail, or that of mail to a recipient."""

    to: Annotated[str, Field(max_length=320, pattern=r"^[^@]*@[^@\s]+$|^$")] = Field(
        default="",
        description="A recipient. Only the route of mail to it is checked, by direct delivery at the mail servers of "
        "its domain.",
    )


def router(
    routes: Projection[AccountRoute], rules: Projection[RouteRules], default_route: Route | None, checker: RouteChecker
) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/route")

    @api.post("/check", summary="Walk along an account's routes step by step, without a mail")
    async def check(account: str, _: AccountScope, asked: RouteCheckIn | None = None) -> RouteCheckOut:
        """Looks up, connects, encrypts, gets a token and logs in, at each next hop."""
        if not (state := routes.get(account)):
            raise NotFound(f"no account {account} is known here: open it first")
        route, its_rules = state.route or default_route, rules.get(account)
        if asked and asked.to:
            route, used_for = chosen_route(route, its_rules, asked.to)
            hops = await _to_recipient(checker, route, asked.to, used_for)
            ready = any(hop.ready for hop in hops) if isinstance(route, Smarthosts) else _leads_on(hops)
        else:
            hops = [await _checked(checker, hop, used_for) for hop, used_for in _hops(route, its_rules)]
            ready = all(hop.ready for hop in hops)
        why = "" if route else "no route is set, and there is no default one"
        goes_to = describe_route(route)
        return RouteCheckOut(account=account, goes_to=goes_to, ready=ready and bool(route), why=why, hops=hops)

    return api


def chosen_route(own: Route | None, rules: RouteRules | None, recipient: str) -> tuple[Route | None, str]:
    """The route of mail to the recipient, and why: rules about senders alone cover none."""
    number = rules.first("", recipient) if rules else None
    if rules is None or number is None:
        return own, f"mail to {recipient}"
    rule = rules.rules[number]
    return rule.route, f"mail to {recipient}, by the rule for {describe_rule(rule)}"


def _hops(route: Route | None, rules: RouteRules | None) -> Iterator[tuple[Smarthost, str]]:
    """Each next hop that a route names, and for which mail."""
    for rule in rules.rules if rules else ():
        yield from ((hop, describe_rule(rule)) for hop in hops_of(rule.route))
    yield from ((hop, "all other mail") for hop in hops_of(route))


async def _to_recipient(checker: RouteChecker, route: Route | None, recipient: str, used_for: str) -> list[HopCheckOut]:
    if isinstance(route, DirectDelivery):
        return [_shown(hop, used_for) for hop in await checker.check_direct(route, recipient)]
    return [await _checked(checker, hop, used_for) for hop in hops_of(route)]


def _leads_on(hops: list[HopCheckOut]) -> bool:
    """Of direct delivery the last server counts: the walk ends with the first that is ready."""
    return not hops or hops[-1].ready


async def _checked(checker: RouteChecker, hop: Smarthost, used_for: str) -> HopCheckOut:
    return _shown(CheckedHop(describe_hop(hop), await checker.check(hop)), used_for)


def _shown(hop: CheckedHop, used_for: str) -> HopCheckOut:
    steps = [StepOut.model_validate(step) for step in hop.steps]
    return HopCheckOut(next_hop=hop.name, used_for=used_for, ready=hop.ready, steps=steps)
