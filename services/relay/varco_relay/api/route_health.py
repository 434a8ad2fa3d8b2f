"""HTTP: the routes of all accounts, and whether they take mail."""

from collections import Counter
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import Caller, visible_account
from varco_relay.api.schemas import HopOut, RouteHealthOut, RouteHealthPage, RouteState
from varco_relay.model.account_route import AccountRoute
from varco_relay.queue_service import QueueService
from varco_relay.smtp.hop_list import HopList
from varco_relay.smtp.pool_registry import Destination, Unroutable
from varco_relay.worker_supervisor import WorkerSupervisor


def router(routes: Projection[AccountRoute], workers: WorkerSupervisor, queue: QueueService) -> APIRouter:
    api = APIRouter()

    @api.get("/routes", summary="Where each account's mail goes, those that take none first")
    async def page(
        token: Caller,
        account: Annotated[str, Query(description="Only this account's")] = "",
        cursor: Annotated[str, Query(description="`next` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> RouteHealthPage:
        scope = visible_account(token, account)
        named = sorted((_position(workers, name), name) for name in workers.accounts() if scope in ("", name))
        rest = [entry for entry in named if entry[0] > cursor]
        waiting = Counter(mail.account for mail in queue.mails(scope))
        page = [await line(name, waiting[name]) for _, name in rest[:limit]]
        return RouteHealthPage(routes=page, next=rest[limit - 1][0] if len(rest) > limit else "", total=len(named))

    async def line(account: str, queued: int) -> RouteHealthOut:
        at = workers.destination(account)
        return RouteHealthOut(
            account=account,
            goes_to=at.name,
            state=_state(at),
            words=at.down_reason,
            since=waiting_since(routes.get(account), at),
            untried=await workers.untried(account),
            queued=queued,
            hops=hops_of(*workers.table(account).all),
        )

    return api


def waiting_since(state: AccountRoute | None, destination: Destination) -> datetime | None:
    """Since when the account's mail waits; None if it does not, or it is not known."""
    if not state or not destination.down_reason:
        return None
    return state.hold.at if state.hold else state.failed_at


def hops_of(*destinations: Destination) -> list[HopOut]:
    """The next hops that routes name, each once."""
    lists = [each.hops for each in destinations if isinstance(each, HopList)]
    return [HopOut.model_validate(hop) for hop in {hop.name: hop for hops in lists for hop in hops}.values()]


def _position(workers: WorkerSupervisor, account: str) -> str:
    """The sort key, and the cursor of a page."""
    return f"{int(_state(workers.destination(account)) is RouteState.UP)} {account}"


def _state(destination: Destination) -> RouteState:
    if isinstance(destination, Unroutable):
        return RouteState.HELD if destination.held else RouteState.NONE
    return RouteState.DOWN if destination.down_reason else RouteState.UP
