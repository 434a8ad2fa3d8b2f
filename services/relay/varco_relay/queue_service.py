"""The service's state in one place: accounts with their couriers, the queue, and the commands that people give."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Literal

from varco_common.base import subjects
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.bus import Bus
from varco_common.events import (
    AnyEvent,
    MailDropped,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    Route,
    RouteRemoved,
    RouteSet,
)
from varco_common.eventsourcing.projection import Projection
from varco_relay.account_worker import AccountWorker
from varco_relay.commands import By, Change, Wish, remove_route, set_route
from varco_relay.delivery_attempt import Clock, utc_now
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.queue import QueuedMail
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.connection_pool import ConnectionPool
from varco_relay.smtp.pool_registry import Destination, PoolRegistry, Unroutable


class QueueService:
    """Keeps a courier for each account; `hire` makes one."""

    def __init__(
        self,
        bus: Bus,
        routes: Projection[AccountRoute],
        queue: Projection[QueuedMail],
        *,
        ways: PoolRegistry,
        seal: SecretBox,
        hire: Callable[[str, Callable[[], AccountRoute | None]], AccountWorker],
        clock: Clock = utc_now,
    ) -> None:
        self._bus, self._routes, self._queue, self._ways, self._seal = bus, routes, queue, ways, seal
        self._hire, self._clock = hire, clock
        self._couriers: dict[str, AccountWorker] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()

    # accounts

    async def run(self) -> None:
        """Runs a courier for every account there is and that comes, until cancelled; then waits for them to end."""
        self._routes.on_event(self._heard)
        for account, _ in self._routes.items():  # noqa: PERF102 - no dict
            self._changed.put_nowait(account)
        async with asyncio.TaskGroup() as group:
            while True:
                account = await self._changed.get()
                if courier := self._couriers.get(account):
                    await courier.reroute()
                elif state := self._routes.get(account):
                    courier = self._hire(state.account, lambda account=account: self._routes.get(account))  # type: ignore[misc]
                    self._couriers[account] = courier
                    group.create_task(courier.run(), name=f"courier {account}")

    def _heard(self, account: str, event: AnyEvent) -> None:
        if account not in self._couriers or isinstance(event, RouteSet | RouteRemoved):
            self._changed.put_nowait(account)

    def accounts(self) -> list[str]:
        """Those whose mail is taken care of."""
        return list(self._couriers)

    def lanes(self) -> list[ConnectionPool]:
        return self._ways.lanes()

    def way(self, account: str) -> Destination:
        courier = self._couriers.get(account)
        return courier.way if courier else Unroutable(f"no account {account} is known")

    def why_waiting(self, account: str) -> str:
        return self.way(account).why

    async def untried(self, account: str) -> int:
        """How many accepted mails of the account (empty: of all) weren't tried yet."""
        couriers = [courier for name, courier in self._couriers.items() if account in ("", name)]
        return sum([await courier.pending() for courier in couriers])

    # the queue

    def page(self, account: str, *, held: bool | None, after: str, limit: int) -> tuple[list[QueuedMail], int]:
        """The mails after that one, oldest first, and how many there are in all."""
        found = sorted((s for s in self.waiting(account) if held in (None, s.held)), key=lambda s: s.mail)
        return [state for state in found if state.mail > after][:limit], len(found)

    def get(self, mail: str) -> QueuedMail | None:
        state = self._queue.get(mail)
        return state if state and state.failures else None

    def oldest_seconds(self, account: str) -> float:
        """The age of the oldest mail without a final outcome."""
        times = [state.accepted_at for state in self.waiting(account) if state.accepted_at]
        times += [t for n, c in self._couriers.items() if account in ("", n) and (t := c.oldest())]
        return (self._clock() - min(times)).total_seconds() if times else 0.0

    async def hurry(self, state: QueuedMail, by: str, reason: str) -> None:
        if state.held:
            raise RefusedCommand(f"{state.mail} is held: release it instead")
        await self._said(MailRetryRequested(**self._about(state, by, reason)))

    async def hold(self, state: QueuedMail, by: str, reason: str) -> None:
        if not state.held:
            await self._said(MailHeld(**self._about(state, by, reason)))

    async def release(self, state: QueuedMail, by: str, reason: str) -> None:
        if not state.held:
            raise RefusedCommand(f"{state.mail} isn't held")
        await self._said(MailReleased(**self._about(state, by, reason)))

    async def drop(self, state: QueuedMail, by: str, reason: str) -> None:
        await self._said(MailDropped(**self._about(state, by, reason), recipients=state.recipients))

    def waiting(self, account: str = "") -> Iterator[QueuedMail]:
        """Every mail of the account (empty: of all) that waits, in no order."""
        return (s for _, s in self._queue.items() if s.failures and account in ("", s.account))

    def _about(self, state: QueuedMail, by: str, reason: str) -> dict[str, Any]:
        about: dict[str, Any] = {"at": self._clock(), "account": state.account, "mail": state.mail}
        return about | {"sequence": state.sequence, "by": by, "reason": reason}

    async def _said(self, event: MailRetryRequested | MailHeld | MailReleased | MailDropped) -> None:
        await self._queue.reached(await self._bus.events.append(event))

    # routes

    @property
    def default_route(self) -> Route | None:
        return self._ways.default

    def route(self, account: str) -> AccountRoute:
        """Raises NotFound."""
        if not (state := self._routes.get(account)):
            raise NotFound(f"no account {account} is known here: open it first")
        return state

    async def set_route(
        self, account: str, wanted: Wish | Literal["blackhole"], by: str, reason: str, *, dry_run: bool
    ) -> list[Change]:
        """Raises RefusedCommand, ConflictError. An account that isn't open yet may have its route set."""
        changes, event = set_route(self._routes.get(account), wanted, self._by(account, by, reason), self._seal)
        if event and not dry_run:
            await self._commit(event)
        return changes

    async def remove_route(self, account: str, by: str, reason: str, *, dry_run: bool) -> list[Change]:
        """Raises NotFound, ConflictError."""
        changes, event = remove_route(self._routes.get(account), self._by(account, by, reason))
        if not dry_run:
            await self._commit(event)
        return changes

    def _by(self, account: str, by: str, reason: str) -> By:
        return By(account, self._clock(), by, reason)

    async def _commit(self, event: RouteSet | RouteRemoved) -> None:
        """Two who set a route at once: the one who decided on an older state loses."""
        guard = subjects.event("relay", "route-set", subjects.token(event.account))
        last = await self._bus.events.last_sequence(guard)
        if last > self._routes.sequence:
            await self._routes.reached(last)
        await self._routes.reached(await self._bus.events.append(event, expect=last, expect_subject=guard))
