"""One worker for each account: started when it appears, told when its route changes."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from varco_common.events import AnyEvent, RouteRemoved, RouteSet
from varco_common.eventsourcing.projection import Projection
from varco_relay.account_worker import AccountWorker
from varco_relay.model.account_route import AccountRoute
from varco_relay.smtp.pool_registry import Destination, Unroutable

RouteOf = Callable[[], AccountRoute | None]
MakeWorker = Callable[[str, RouteOf], AccountWorker]


class WorkerSupervisor:
    """`make_worker` makes the worker of an account, and gets a function that looks up its route."""

    def __init__(self, routes: Projection[AccountRoute], make_worker: MakeWorker) -> None:
        self._routes, self._make_worker = routes, make_worker
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
                elif state := self._routes.get(account):
                    worker = self._make_worker(state.account, lambda account=account: self._routes.get(account))  # type: ignore[misc]
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
