"""HTTP: which route a mail would take, now or under other routes."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from varco_common.events import Route, RouteRule
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope
from varco_relay.api.route_patches import patched_route, patched_rules
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.route_commands import rules_of
from varco_relay.route_document import describe_route, describe_rule
from varco_relay.route_maker import RouteMaker
from varco_relay.route_requests import RouteFreedom


class RouteQuestionIn(BaseModel):
    """A mail, and sections of an account file that would hold; what is left out is as it is."""

    model_config = ConfigDict(extra="forbid")

    sender: Annotated[str, Field(max_length=320)] = ""
    recipients: Annotated[list[Annotated[str, Field(max_length=320)]], Field(min_length=1, max_length=1_000)]
    sections: dict[str, Any] = {}


class ChosenRouteOut(BaseModel):
    """Where the mail to a recipient goes. `why` names the rule, or says that none covers it."""

    recipient: str
    goes_to: str
    why: str


class _NoSecrets:
    """Passwords do not matter for which route is chosen."""

    def encrypt(self, password: str) -> str:  # noqa: ARG002 - kept nowhere
        return "-"

    def decrypt(self, secret: str) -> str:  # noqa: ARG002 - nobody looks at it
        return ""

    def matches(self, secret: str, password: str) -> bool:  # noqa: ARG002 - never asked for the difference
        return True


def router(routes: Projection[AccountRoute], rules: Projection[RouteRules], default: Route | None) -> APIRouter:
    """`default` is the route of accounts without one of their own."""
    api = APIRouter(prefix="/accounts/{account}/routes")

    @api.post("/chosen", summary="Which route a mail would take")
    async def chosen(account: str, _: AccountScope, question: RouteQuestionIn) -> list[ChosenRouteOut]:
        """With `sections`: under those of another account file. Nothing is changed."""
        route, by_mail = routes.get(account), rules.get(account)
        present = route.route if route else None
        own = _route(present, question.sections) or default
        some = _rules(by_mail.rules if by_mail else (), question.sections)
        table = RouteRules(account=account, rules=some)
        return [_chosen(table, question.sender, recipient, own) for recipient in question.recipients]

    return api


def _route(present: Route | None, sections: dict[str, Any]) -> Route | None:
    if "route" not in sections:
        return present
    request = patched_route(present, sections["route"])
    return _maker([present] if present else []).route(request) if request else None


def _rules(present: tuple[RouteRule, ...], sections: dict[str, Any]) -> tuple[RouteRule, ...]:
    if "routes" not in sections:
        return present
    return rules_of(patched_rules(present, sections["routes"]), _maker([rule.route for rule in present]))


def _maker(before: list[Route]) -> RouteMaker:
    return RouteMaker(_NoSecrets(), RouteFreedom.ANY, before)


def _chosen(table: RouteRules, sender: str, recipient: str, own: Route | None) -> ChosenRouteOut:
    number = table.first(sender, recipient)
    if number is None:
        why = "no rule covers it" if table.rules else "there are no rules"
        return ChosenRouteOut(recipient=recipient, goes_to=describe_route(own), why=why)
    rule = table.rules[number]
    why = f"rule {number + 1}: {describe_rule(rule)}"
    return ChosenRouteOut(recipient=recipient, goes_to=describe_route(rule.route), why=why)
