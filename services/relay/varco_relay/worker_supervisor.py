"""One worker for each account: started when it appears, told when its route changes."""

import asyncio
from datetime import datetime

from varco_common.events import AnyEvent, RouteRemoved, RouteSet
from varco_common.eventsourcing.projection import Projection
from varco_relay.account_worker import AccountWorker
from varco_relay.delivery_attempt import Deliverer
from varco_relay.model.account_route import AccountRoute
from varco_relay.smtp.pool_registry import Destination, PoolRegistry, Unroutable


class WorkerSupervisor:
    """Runs the workers. `grace` is the time in seconds that attempts get at the end."""

    def __init__(
        self, routes: Projection[AccountRoute], deliverer: Deliverer, pools: PoolRegistry, grace: float
    ) -> None:
        self._routes, self._deliverer, self._pools, self._grace = routes, deliverer, pools, grace
        self._workers: dict[str, AccountWorker] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Runs until it is cancelled; then waits until every worker has ended."""
        self._routes.on_event(self._on_event)
        for account, _ in self._routes.items():  # noqa: PERF102 - no dict
            self._changed.put_nowait(account)
        async with asyncio.TaskGroup() as group:
            while True:
                account = await self._changed.get()
                if worker := self._workers.get(account):
                    worker.update_route()
                elif self._routes.get(account):
                    worker = AccountWorker(account, self._routes, self._deliverer, self._pools, self._grace)
                    self._workers[account] = worker
                    group.create_task(worker.run(), name=f"worker {account}")

    def _on_event(self, account: str, event: AnyEvent) -> None:
        if account not in self._workers or isinstance(event, RouteSet | RouteRemoved):
            self._changed.put_nowait(account)

    def accounts(self) -> list[str]:
        return list(self._workers)

    def destination(self, account: str) -> Destination:
        worker = self._workers.get(account)
        return worker.destination if worker else Unroutable(f"no account {account} is known")

    async def untried(self, account: str = "") -> int:
        """The number of accepted mails of the account (empty: of all) that were not tried yet."""
        return sum([await worker.untried() for worker in self._of(account)])

    def oldest(self, account: str = "") -> datetime | None:
        """When the oldest mail that a worker has in hand was accepted."""
        return min((at for worker in self._of(account) if (at := worker.oldest())), default=None)

    def _of(self, account: str) -> list[AccountWorker]:
        return [worker for name, worker in self._workers.items() if account in ("", name)]
