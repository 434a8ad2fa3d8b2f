"""HTTP: routes for some of an account's mail, by sender and recipient."""

from collections.abc import Callable, Sequence
from functools import partial

from fastapi import APIRouter, Response

from varco_common.events import RouteRule, Smarthost
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, CommandResult
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.command_api import ChangedOut, Patch, SettingsCommand
from varco_relay.api.route_forms import RouteRulesIn
from varco_relay.api.route_patches import patched_rules
from varco_relay.api.schemas import RouteRulesOut
from varco_relay.former_hops import FormerHops
from varco_relay.model.route_rules import RouteRules
from varco_relay.oauth_maker import refuse_plain
from varco_relay.route_commands import set_rules
from varco_relay.route_document import rules_section
from varco_relay.route_maker import Encrypts
from varco_relay.route_requests import RouteFreedom, RuleRequest


def router(
    rules: Projection[RouteRules],
    secret_box: Encrypts,
    *,
    former_hops: FormerHops,
    private_routes: bool,
    plain_oauth: bool,
) -> APIRouter:
    """`private_routes` and `plain_oauth` as in the router of routes."""
    api = APIRouter(prefix="/accounts/{account}/routes")
    executor = CommandExecutor(rules)

    @api.get("", summary="Routes by sender and recipient")
    async def show(account: str, _: AccountScope, response: Response) -> RouteRulesOut:
        """The first that covers a mail's sender and a recipient holds; else the account's route."""
        version = await rules.version(account)
        state = rules.get(account)
        response.headers["ETag"] = f'"{version}"'
        return RouteRulesOut(account=account, routes=rules_section(state.rules if state else ()), version=version)

    @api.put("", summary="Set the whole list")
    async def put(account: str, command: SettingsCommand, _: AccountScope, routes: RouteRulesIn) -> ChangedOut:
        requests = [route.rule() for route in routes]
        return await change(account, command, lambda _: requests)

    @api.patch("", summary="Set the whole list, and keep what its entries leave out")
    async def patch(account: str, command: SettingsCommand, _: AccountScope, routes: Patch = None) -> ChangedOut:
        """Entries are known by their senders and recipients. null removes all."""
        return await change(account, command, lambda current: patched_rules(current, routes))

    async def change(
        account: str, command: CommandRequest, desire: Callable[[tuple[RouteRule, ...]], list[RuleRequest]]
    ) -> ChangedOut:
        freedom = RouteFreedom.of(command, private_routes=private_routes)

        def decide(state: RouteRules | None, context: CommandContext, *, former: Sequence[Smarthost]) -> list[Change]:
            requests = desire(state.rules if state else ())
            for request in requests:
                refuse_plain(request.route, plain_oauth=plain_oauth)
            return set_rules(state, context, requests, secret_box, freedom, former=former)

        async def execute(former: Sequence[Smarthost]) -> CommandResult:
            return await executor.execute(account, command, partial(decide, former=former))

        return ChangedOut.of(await former_hops.tried(account, execute))

    return api
