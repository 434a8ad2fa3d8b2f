"""HTTP: where each account's mail goes."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Response

from varco_common.base.errors import NotFound
from varco_common.events import Route, Smarthost
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, CommandResult
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.command_api import ChangedOut, Command, Patch, SettingsCommand
from varco_relay.api.route_check import RouteCheckIn, chosen_route
from varco_relay.api.route_forms import RouteIn
from varco_relay.api.route_health import hops_of, waiting_since
from varco_relay.api.route_patches import patched_route
from varco_relay.api.schemas import RouteOut, RouteTestOut
from varco_relay.commands import hold_account, release_account
from varco_relay.former_hops import FormerHops
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.oauth_maker import refuse_plain
from varco_relay.route_commands import remove_route, set_route
from varco_relay.route_document import describe_route, route_section
from varco_relay.route_maker import Encrypts
from varco_relay.route_requests import DirectRequest, RouteFreedom, RouteRequest
from varco_relay.worker_supervisor import WorkerSupervisor

RouteTest = Callable[[Route | None, str], Awaitable[dict[str, Any]]]


def router(
    routes: Projection[AccountRoute],
    workers: WorkerSupervisor,
    secret_box: Encrypts,
    default_route: Route | None,
    test_route: RouteTest,
    *,
    rules: Projection[RouteRules],
    former_hops: FormerHops,
    private_routes: bool,
    plain_oauth: bool,
) -> APIRouter:
    """`rules` choose the route that is tested.

    `private_routes`: accounts' own tokens may set routes to private addresses, too.
    `plain_oauth` is as in the settings.
    """
    api = APIRouter(prefix="/accounts/{account}/route")
    executor = CommandExecutor(routes)

    @api.get("", summary="Where an account's mail goes")
    async def show(account: str, _: AccountScope, response: Response) -> RouteOut:
        version = await routes.version(account)
        if not (state := routes.get(account)):
            raise NotFound(f"no account {account} is known here: open it first")
        response.headers["ETag"] = f'"{version}"'
        learned = state.learned
        return RouteOut(
            account=account,
            route=route_section(state.route),
            goes_to=describe_route(state.route or default_route),
            waiting=workers.destination(account).down_reason,
            since=waiting_since(state, workers.destination(account)),
            version=version,
            smtputf8=learned.smtputf8 if learned else None,
            eight_bit=learned.eight_bit if learned else None,
            max_size=learned.max_size if learned else None,
            untried=await workers.untried(account),
            held=state.hold is not None,
            hops=hops_of(workers.destination(account)),
        )

    @api.put("", summary="Set where it goes")
    async def put(
        account: str, command: SettingsCommand, _: AccountScope, route: RouteIn | Literal["blackhole", "mx"]
    ) -> ChangedOut:
        """An account that is not open yet may have its route set."""
        request = _named(route) if isinstance(route, str) else route.request()
        return await change(account, command, lambda _: request)

    @api.patch("", summary="Change what the request names")
    async def patch(account: str, command: SettingsCommand, _: AccountScope, route: Patch = None) -> ChangedOut:
        """What is left out stays; null removes. null alone: back to the default route."""
        return await change(account, command, lambda current: patched_route(current, route))

    async def change(
        account: str, command: CommandRequest, desire: Callable[[Route | None], RouteRequest | None]
    ) -> ChangedOut:
        freedom = RouteFreedom.of(command, private_routes=private_routes)

        def decide(state: AccountRoute | None, context: CommandContext, *, former: Sequence[Smarthost]) -> list[Change]:
            current = state.route if state else None
            if request := desire(current):
                refuse_plain(request, plain_oauth=plain_oauth)
                return set_route(state, context, request, secret_box, freedom, former=former)
            return remove_route(state, context) if current else []

        async def execute(former: Sequence[Smarthost]) -> CommandResult:
            return await executor.execute(account, command, partial(decide, former=former))

        return ChangedOut.of(await former_hops.tried(account, execute))

    @api.delete("", summary="Back to the default route")
    async def delete(account: str, command: SettingsCommand, _: AccountScope) -> ChangedOut:
        return ChangedOut.of(await executor.execute(account, command, remove_route))

    _add_test(api, routes, rules, default_route, test_route)
    _add_hold(api, routes, executor)
    return api


def _add_test(
    api: APIRouter,
    routes: Projection[AccountRoute],
    rules: Projection[RouteRules],
    default_route: Route | None,
    test_route: RouteTest,
) -> None:
    @api.post("/test", summary="Ask the next hop whether it is ready, without a mail")
    async def test(account: str, _: AccountScope, asked: RouteCheckIn | None = None) -> RouteTestOut:
        """Connects, encrypts and logs in as a mail would be sent, and ends the session."""
        route, to = _opened(routes, account).route or default_route, asked.to if asked else ""
        if to:
            route, _used_for = chosen_route(route, rules.get(account), to)
        return RouteTestOut(account=account, goes_to=describe_route(route), **await test_route(route, to))


def _add_hold(api: APIRouter, routes: Projection[AccountRoute], executor: CommandExecutor[AccountRoute]) -> None:
    @api.post("/hold", summary="Don't try any mail of the account until it is released")
    async def hold(account: str, command: Command, _: AccountScope) -> ChangedOut:
        _opened(routes, account)
        return ChangedOut.of(await executor.execute(account, command, hold_account))

    @api.post("/release", summary="Deliver the account's mail again")
    async def release(account: str, command: Command, _: AccountScope) -> ChangedOut:
        return ChangedOut.of(await executor.execute(account, command, release_account))


def _opened(routes: Projection[AccountRoute], account: str) -> AccountRoute:
    if state := routes.get(account):
        return state
    raise NotFound(f"no account {account} is known here: open it first")


def _named(route: Literal["blackhole", "mx"]) -> RouteRequest:
    return DirectRequest() if route == "mx" else route
