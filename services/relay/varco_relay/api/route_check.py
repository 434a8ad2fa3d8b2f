"""HTTP: an account's routes, checked step by step."""

from collections.abc import Iterator

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from varco_common.base.errors import NotFound
from varco_common.events import Route, Smarthost
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_checker import RouteChecker
from varco_relay.route_document import describe_hop, describe_route, describe_rule
from varco_relay.route_maker import hops_of


class StepOut(BaseModel):
    """`step` is dns, connection, tls, token or login. `advice` says what to do where it failed."""

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
    """`ready` if every next hop takes mail. `why` says why there is none to check."""

    account: str
    goes_to: str
    ready: bool
    why: str = ""
    hops: list[HopCheckOut] = []


def router(
    routes: Projection[AccountRoute], rules: Projection[RouteRules], default_route: Route | None, checker: RouteChecker
) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/route")

    @api.post("/check", summary="Walk along an account's routes step by step, without a mail")
    async def check(account: str, _: AccountScope) -> RouteCheckOut:
        """Looks up, connects, encrypts, gets a token and logs in, at each next hop."""
        if not (state := routes.get(account)):
            raise NotFound(f"no account {account} is known here: open it first")
        route, its_rules = state.route or default_route, rules.get(account)
        hops = [await _checked(checker, hop, used_for) for hop, used_for in _hops(route, its_rules)]
        why = "" if route else "no route is set, and there is no default one"
        ready = route is not None and all(hop.ready for hop in hops)
        return RouteCheckOut(account=account, goes_to=describe_route(route), ready=ready, why=why, hops=hops)

    return api


def _hops(route: Route | None, rules: RouteRules | None) -> Iterator[tuple[Smarthost, str]]:
    """Each next hop that a route names, and for which mail."""
    for rule in rules.rules if rules else ():
        yield from ((hop, describe_rule(rule)) for hop in hops_of(rule.route))
    yield from ((hop, "all other mail") for hop in hops_of(route))


async def _checked(checker: RouteChecker, hop: Smarthost, used_for: str) -> HopCheckOut:
    steps = [StepOut.model_validate(step) for step in await checker.check(hop)]
    return HopCheckOut(next_hop=describe_hop(hop), used_for=used_for, ready=all(s.ok for s in steps), steps=steps)
