"""One worker for each account: started when it appears, told when its route changes."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime, timedelta
from itertools import count

from varco_common.base import log
from varco_common.events import AnyEvent, MailDropped
from varco_common.eventsourcing.projection import Projection
from varco_relay.account_worker import AccountWorker
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.delivery_attempt import Deliverer
from varco_relay.model.account_route import HOLD_EVENTS, SETTINGS_EVENTS, AccountRoute
from varco_relay.model.route_rules import SETTINGS_EVENTS as RULE_EVENTS
from varco_relay.model.route_rules import RouteRules
from varco_relay.model.untried_mail import UntriedMail
from varco_relay.route_table import RouteTable
from varco_relay.smtp.pool_registry import Destination, PoolRegistry, Unroutable
from varco_relay.untried_search import FoundUntried

RESTART = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=5))  # of a worker that failed
_log = log.get(__name__)


class WorkerSupervisor:
    """Runs the workers. `grace` is the time in seconds that attempts get at the end."""

    def __init__(
        self,
        routes: Projection[AccountRoute],
        rules: Projection[RouteRules],
        deliverer: Deliverer,
        pools: PoolRegistry,
        *,
        grace: float,
    ) -> None:
        self._routes, self._rules, self._deliverer, self._pools, self._grace = routes, rules, deliverer, pools, grace
        self._workers: dict[str, AccountWorker] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Runs until it is cancelled; then waits until every worker has ended."""
        self._routes.on_event(self._on_event)
        self._rules.on_event(self._on_event)
        for account, _ in self._routes.items():  # noqa: PERF102 - no dict
            self._changed.put_nowait(account)
        async with asyncio.TaskGroup() as group:
            while True:
                account = await self._changed.get()
                if worker := self._workers.get(account):
                    with _error_of_one_account(account):
                        worker.update_route()
                elif self._routes.get(account):
                    worker = AccountWorker(
                        account, self._routes, self._rules, self._deliverer, self._pools, grace=self._grace
                    )
                    self._workers[account] = worker
                    group.create_task(_keep_running(worker), name=f"worker {account}")

    def _on_event(self, account: str, event: AnyEvent) -> None:
        if account not in self._workers or isinstance(event, (*SETTINGS_EVENTS, *HOLD_EVENTS, *RULE_EVENTS)):
            self._changed.put_nowait(account)

    def accounts(self) -> list[str]:
        return list(self._workers)

    def table(self, account: str) -> RouteTable:
        """Where the account's mail goes."""
        worker = self._workers.get(account)
        return worker.table if worker else RouteTable(Unroutable(f"no account {account} is known"))

    def destination(self, account: str) -> Destination:
        """Where the account's mail goes that no rule is about."""
        return self.table(account).default

    async def untried(self, account: str = "") -> int:
        """The number of accepted mails of the account (empty: of all) that were not tried yet."""
        return sum([await worker.untried() for worker in self._of(account)])

    async def untried_mails(self, account: str, limit: int) -> list[UntriedMail]:
        """The oldest accepted mails of the account (empty: of all) that were not tried yet."""
        found = [await worker.find_untried(limit, lambda _: True) for worker in self._of(account)]
        mails = [mail for each in found for mail in each.mails]
        return sorted(mails, key=lambda mail: mail.mail)[:limit]

    async def droppable(self, account: str, limit: int) -> FoundUntried:
        """The oldest mails of one account that a drop of all takes; the others wait as well."""
        worker = self._workers[account]
        found = await worker.find_untried(limit, lambda mail: not mail.is_copy and bool(self.waits_for(mail)))
        return found._replace(others=[m for m in found.others if not m.is_copy and not worker.is_dropped(m)])

    def takes_all(self, account: str) -> bool:
        """Whether every route of the account is up, so that no mail waits."""
        return not any(destination.down_reason for destination in self.table(account).all)

    def waits_for(self, mail: UntriedMail) -> str:
        """Why no attempt begins for any recipient. Empty where one of the mail's routes is up."""
        parts = self.table(mail.account).parts(mail.sender, mail.recipients)
        reasons = [part.destination.down_reason for part in parts]
        return reasons[0] if reasons and all(reasons) else ""

    def set_aside(self, account: str, mails: Sequence[UntriedMail]) -> AbstractAsyncContextManager[list[UntriedMail]]:
        """No first attempt of the account's mails begins inside the block, as of its worker."""
        return self._workers[account].set_aside(mails)

    def is_tried_now(self, mail: UntriedMail) -> bool:
        """Whether an attempt goes on, also one that began before its account's mail was held."""
        worker = self._workers.get(mail.account)
        return bool(worker and worker.is_tried_now(mail.mail))

    def on_queue_event(self, _: str, event: AnyEvent) -> None:
        """A mail that was dropped may wait for its first attempt, in the hands of any process."""
        if isinstance(event, MailDropped) and (worker := self._workers.get(event.account)):
            worker.drop(event.mail, event.sequence, event.recipients)

    def oldest(self, account: str = "") -> datetime | None:
        """When the oldest mail that a worker has in hand was accepted."""
        return min((at for worker in self._of(account) if (at := worker.oldest())), default=None)

    def _of(self, account: str) -> list[AccountWorker]:
        return [worker for name, worker in self._workers.items() if account in ("", name)]


async def _keep_running(worker: AccountWorker) -> None:
    """Runs the worker until it is cancelled. An error is that of one account: the others go on."""
    for failures in count(1):
        with _error_of_one_account(worker.account):
            await worker.run()
        await asyncio.sleep(RESTART.delay(failures, random.random()).total_seconds())  # noqa: S311 - jitter


@contextmanager
def _error_of_one_account(account: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - a bug
        _log.exception("an account's mail or its route could not be handled", account=account)
