"""Takes one account's accepted mail to its route: pulls, attempts, records, acknowledges; waits while the route is down."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from varco_common.base import log, subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import Delivery, DurableConsumer
from varco_common.events import Event, Failure, Route, RouteFailed, RouteLearned, RouteRecovered
from varco_relay import metrics
from varco_relay.decide.outcome import expired
from varco_relay.delivery_attempt import Deliverer
from varco_relay.delivery_log import DeliveryLog
from varco_relay.model.account_route import AccountRoute
from varco_relay.outgoing_message import OutgoingMessage
from varco_relay.smtp.pool_registry import Destination, PoolRegistry, Unroutable
from varco_relay.smtp.transaction import Capabilities

_RETRY_SECONDS = 2.0
_SKEW = timedelta(seconds=2)  # between the bus's clock and this one
_log = log.get(__name__)


def consumer_name(account: str) -> str:
    """The consumer of an account's mail; `account` as a subject token."""
    return f"relay-{account}"


class _Stopping(TransientError):
    """The process ends while the mail waits for its route."""


class AccountWorker:
    """One account. `state` gives what is known of its route now; `in_flight` and `max_bytes` bound what is in hand."""

    def __init__(
        self,
        account: str,
        post: Deliverer,
        ways: PoolRegistry,
        state: Callable[[], AccountRoute | None],
        *,
        in_flight: int,
        max_bytes: int,
        ack_wait: float,
        grace: float,
    ) -> None:
        self.account = account
        self._post, self._ways, self._state = post, ways, state
        self._in_flight, self._max_bytes, self._ack_wait = in_flight, max_bytes, ack_wait
        self._grace = grace
        self._recorded = DeliveryLog(post.bus, account)
        self._way: Destination = Unroutable("not started")
        self._route: Route | None = None
        self._turned = asyncio.Event()  # set and replaced when the route may have become another, or come back
        self._hands: dict[asyncio.Task[None], Delivery] = {}
        self._says: set[asyncio.Task[None]] = set()
        self._learned: RouteLearned | None = None
        self._down = False  # as far as it was said
        self._ending = False
        self._doubtful_until = post.clock()
        self._puller: DurableConsumer | None = None

    # what the lane tells (Listener)

    def learned(self, host: str, able: Capabilities) -> None:
        """Said once for each next hop, and whenever it changes: ingress answers from it."""
        event = RouteLearned(
            at=self._post.clock(),
            account=self.account,
            host=host,
            smtputf8=able.smtputf8,
            eight_bit=able.eight_bit,
            max_size=able.max_size,
        )
        if not self._learned or _facts(self._learned) != _facts(event):
            self._learned = event
            self._say(event)
        if self._down:
            self._down = False
            self._say(RouteRecovered(at=event.at, account=self.account, host=host))

    def failed(self, host: str, why: str) -> None:
        if not self._down:
            self._down = True
            self._say(RouteFailed(at=self._post.clock(), account=self.account, host=host, why=why))

    def recovered(self) -> None:
        self._wake()

    # what the service tells

    async def reroute(self) -> None:
        """Looks up the account's route again."""
        state = self._state()
        route = state.route if state else None
        if state:
            self._learned, self._down = state.learned, bool(state.failed)
        if route == self._route and not isinstance(self._way, Unroutable):
            return
        before, self._route = self._way, route
        self._way = self._ways.find(route, self)
        if before is not self._way:
            await self._ways.leave(before, self)
        self._wake()

    @property
    def way(self) -> Destination:
        return self._way

    async def pending(self) -> int:
        """How many accepted mails weren't tried yet."""
        return await self._puller.pending() if self._puller else 0

    def oldest(self) -> datetime | None:
        """When the oldest mail in hand was accepted."""
        return min((delivery.record.envelope.received_at for delivery in self._hands.values()), default=None)

    async def run(self) -> None:
        """Until cancelled; then what is in hand ends, and nothing new is begun."""
        await self.reroute()
        filters = [subjects.mail(kind, subjects.token(self.account)) for kind in subjects.READY]
        self._post.bus.on_reconnect(self._doubt)
        self._doubt()
        async with self._post.bus.mail.consume(
            consumer_name(subjects.token(self.account)),
            *filters,
            in_flight=self._in_flight,
            max_bytes=self._max_bytes,
            ack_wait=self._ack_wait,
        ) as self._puller:
            ticker = asyncio.create_task(self._keep_in_hand(), name=f"ticks {self.account}")
            try:
                async for delivery in self._puller:
                    self._take(delivery)
            finally:
                self._puller.pause()
                await self._finish()
                ticker.cancel()
                await self._ways.leave(self._way, self)

    # the work

    def _take(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._carry(delivery))
        self._hands[task] = delivery
        task.add_done_callback(self._hands.pop)

    async def _carry(self, delivery: Delivery) -> None:
        """One mail, to the end of its first attempt: an outcome for each recipient is recorded, then acknowledged."""
        try:
            record = delivery.record
            recipients = record.envelope.recipients
            if delivery.deliveries > 1 or delivery.at <= self._doubtful_until:
                first = min(
                    delivery.at, record.envelope.received_at
                )  # a restored mail was stored anew, after its outcome
                done = await self._recorded.of(delivery.sequence, first)
                recipients = tuple(r for r in recipients if r not in done)
            metrics.mails.inc()
            metrics.octets.inc(record.body.size)
            letter = OutgoingMessage(
                envelope=record.envelope,
                sequence=delivery.sequence,
                recipients=recipients,
                body=self._post.body(record, delivery.body),
                size=record.body.size,
            )
            await self._deliver(letter)
            await delivery.ack()
        except _Stopping:
            await delivery.nak()
        except TransientError as error:
            _log.warning("a mail waits", mail=delivery.record.envelope.id, error=str(error))
            self._recorded.forget()
            await delivery.nak(_RETRY_SECONDS)
        except PoisonError as error:
            await delivery.park(str(error))
        except Exception:  # noqa: BLE001 - a bug with one mail must not stop the others
            _log.exception("a mail could not be handled", mail=delivery.record.envelope.id)
            await delivery.nak(_RETRY_SECONDS * 10)

    def _doubt(self) -> None:
        """A bus that died may have forgotten acks and deliveries of its last seconds: what it had then is looked up."""
        self._doubtful_until = self._post.clock() + _SKEW
        self._recorded.forget()

    async def _deliver(self, letter: OutgoingMessage) -> None:
        """Attempts until each recipient had one; while the route is down it waits, and gives up when it's time."""
        left = letter.recipients
        while left:
            turned, way = self._turned, self._way
            if not isinstance(way, Unroutable) and not way.why:
                left, _ = await self._post.attempt(replace(letter, recipients=left), way)
            elif expired(self._post.clock(), letter.envelope.received_at, self._post.patience):
                failures = tuple(Failure(recipient=r, status="4.4.1", answer=f"4.4.1 {way.why}") for r in left)
                await self._post.give_up(replace(letter, recipients=left), failures, way.name)
                left = ()
            elif self._ending:
                raise _Stopping
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._ack_wait):
                        await turned.wait()

    async def _keep_in_hand(self) -> None:
        """Tells the bus that what takes long is still worked at."""
        while True:
            known = set(self._hands.values())
            await asyncio.sleep(self._ack_wait / 3)
            for delivery in known.intersection(self._hands.values()):
                await delivery.progress()

    async def _finish(self) -> None:
        """Lets attempts end, within the grace; who only waits for the route goes back to the bus at once."""
        self._ending = True
        self._wake()
        work = [*self._hands, *self._says]
        if work:
            _, late = await asyncio.wait(work, timeout=self._grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _wake(self) -> None:
        """The route may have become another, or come back: whoever waits looks again."""
        before, self._turned = self._turned, asyncio.Event()
        before.set()

    def _say(self, event: Event) -> None:
        task = asyncio.create_task(self._append(event))
        self._says.add(task)
        task.add_done_callback(self._says.discard)

    async def _append(self, event: Event) -> None:
        try:
            await self._post.bus.events.append(event)
        except TransientError as error:
            _log.warning("not said", subject=event.subject, error=str(error))
            self._learned = None


def _facts(event: RouteLearned) -> tuple[object, ...]:
    return event.host, event.smtputf8, event.eight_bit, event.max_size
