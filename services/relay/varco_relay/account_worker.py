"""Delivers one account's accepted mail: the first attempt for each, once its route is up."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import done_within
from varco_common.bus import Delivery, DurableConsumer, MailWorker
from varco_common.bus.background_appends import BackgroundAppends
from varco_common.events import DeliveryHeld, Event, Failure, Route, RouteFailed, RouteLearned, RouteRecovered
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.record import decode_record
from varco_relay import metrics
from varco_relay.delivery_attempt import Deliverer, utc_now
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.untried_mail import UntriedMail
from varco_relay.outgoing_message import OutgoingMessage
from varco_relay.recorded_outcomes import RecordedOutcomes
from varco_relay.smtp.pool_registry import Destination, PoolRegistry, Unroutable
from varco_relay.smtp.transaction import Capabilities

MAX_IN_FLIGHT = 64  # mails of one account in hand: enough to fill four connections with pipelined mail
MAX_BYTES_IN_FLIGHT = 16 * 1024 * 1024
ACK_WAIT_SECONDS = 20.0  # after a crash, the mails in hand are delivered again that much later
_CLOCK_SKEW = timedelta(seconds=2)  # between the clock of the bus and this one


def consumer_name(account: str) -> str:
    """The durable consumer of an account's mail; `account` is a subject token."""
    return f"relay-{account}"


class AccountWorker:
    """The worker of one account. `grace` is in seconds."""

    def __init__(
        self,
        account: str,
        routes: Projection[AccountRoute],
        deliverer: Deliverer,
        pools: PoolRegistry,
        grace: float,
    ) -> None:
        self.account = account
        self.destination: Destination = Unroutable("not started")
        self._routes, self._deliverer, self._pools, self._grace = routes, deliverer, pools, grace
        self._bus = deliverer.bus
        self._recorded = RecordedOutcomes(self._bus, account)
        self._route: Route | None = None
        self._route_changed = asyncio.Event()  # set and replaced when the route changed or came back
        self._appends = BackgroundAppends(self._bus.events)
        self._learned: RouteLearned | None = None
        self._is_down = False  # as far as events tell
        self._doubtful_until = utc_now()
        self._consumer: DurableConsumer | None = None

    async def run(self) -> None:
        """Runs until it is cancelled. Attempts that have begun then end, within the grace."""
        self.update_route()
        token = subjects.token(self.account)
        self._bus.on_reconnect(self._doubt)
        self._doubt()
        try:
            async with self._bus.mail.consume(
                consumer_name(token),
                *(subjects.mail(kind, token) for kind in subjects.READY),
                in_flight=MAX_IN_FLIGHT,
                max_bytes=MAX_BYTES_IN_FLIGHT,
                ack_wait=ACK_WAIT_SECONDS,
            ) as self._consumer:
                await MailWorker(self._consumer, self._handle, grace=self._grace).run()
        finally:
            await self._appends.flush(self._grace)
            self._pools.leave(self.destination, self)
            self.destination = Unroutable("not started")

    def update_route(self) -> None:
        """Looks up the account's route again."""
        state = self._routes.get(self.account)
        route = state.route if state else None
        if state:
            self._learned, self._is_down = state.learned, bool(state.failed)
        hold = state.hold if state else None
        if not hold and route == self._route and not isinstance(self.destination, Unroutable):
            return
        before, self._route = self.destination, route
        self.destination = _held(hold) if hold else self._pools.join(route, self)
        if before is not self.destination:
            self._pools.leave(before, self)
        self._wake()

    async def untried(self) -> int:
        """The number of accepted mails that were not tried yet."""
        return await self._consumer.pending() if self._consumer else 0

    async def untried_mails(self, limit: int) -> list[UntriedMail]:
        """The oldest mails that were not tried yet: in hand, then behind those in MAIL."""
        if not self._consumer:
            return []
        mails = [UntriedMail.of(delivery.record) for delivery in self._consumer.in_hand()][:limit]
        after, count = await self._consumer.not_delivered()
        if count := min(count, limit - len(mails)):
            filters = (subjects.mail(kind, subjects.token(self.account)) for kind in subjects.READY)
            async with aclosing(self._bus.mail.follow(*filters, after=after)) as records:
                async for stored in records:
                    mails += [UntriedMail.of(decode_record(stored.record))] if stored.record else []
                    count -= 1
                    if not count or not stored.pending:
                        break
        return mails

    def oldest(self) -> datetime | None:
        """When the oldest mail in hand was accepted."""
        return self._consumer.oldest() if self._consumer else None

    # Called by the connection pool (PoolListener)

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None:
        """Appends RouteLearned when they are new or have changed: ingress answers from it."""
        event = RouteLearned(
            at=utc_now(),
            account=self.account,
            host=host,
            smtputf8=capabilities.smtputf8,
            eight_bit=capabilities.eight_bit,
            max_size=capabilities.max_size,
            require_tls=capabilities.require_tls,
        )
        if not self._learned or _facts(self._learned) != _facts(event):
            self._learned = event
            self._append(event)
        if self._is_down:
            self._is_down = False
            self._append(RouteRecovered(at=event.at, account=self.account, host=host))

    def on_down(self, host: str, reason: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._append(RouteFailed(at=utc_now(), account=self.account, host=host, why=reason))

    def on_recovered(self) -> None:
        self._wake()

    # Mails

    async def _handle(self, delivery: Delivery) -> None:
        """Makes the first attempt for a mail.

        When it returns, each recipient has an outcome in EVENTS.
        """
        record = delivery.record
        recipients = record.envelope.recipients
        try:
            if delivery.deliveries > 1 or delivery.at <= self._doubtful_until:
                # A restored mail was stored anew, after its outcome: received_at is older then.
                since = min(delivery.at, record.envelope.received_at)
                final = await self._recorded.recipients(delivery.sequence, since)
                recipients = tuple(recipient for recipient in recipients if recipient not in final)
            metrics.mails.inc()
            metrics.octets.inc(record.body.size)
            message = OutgoingMessage(
                envelope=record.envelope,
                sequence=delivery.sequence,
                recipients=recipients,
                body=self._deliverer.body(record, delivery.body),
                size=record.body.size,
            )
            await self._deliver(message, delivery)
            self._recorded.add(delivery.sequence, recipients)
        except TransientError:
            self._recorded.forget()
            raise

    async def _deliver(self, message: OutgoingMessage, delivery: Delivery) -> None:
        """Makes attempts until each recipient had one.

        While the route is down, waits until the mail expires.
        """
        untried = message.recipients
        while untried:
            message = replace(message, recipients=untried)
            route_changed, destination = self._route_changed, self.destination
            if not isinstance(destination, Unroutable) and not destination.down_reason:
                untried, _ = await self._deliverer.attempt(message, destination)
            elif self._deliverer.expired(message.envelope.received_at):
                answer = f"4.4.1 {destination.down_reason}"
                failures = tuple(Failure(recipient=r, status="4.4.1", answer=answer) for r in untried)
                await self._deliverer.give_up(message, failures, destination.name)
                return
            else:
                if not (isinstance(destination, Unroutable) and destination.held):
                    self.on_down(destination.name, destination.down_reason)  # a pool has told it, no route has not
                with delivery.waiting():
                    await done_within(route_changed.wait(), ACK_WAIT_SECONDS)

    def _doubt(self) -> None:
        """A bus that died may have lost acks of its last seconds: looks those mails up."""
        self._doubtful_until = utc_now() + _CLOCK_SKEW
        self._recorded.forget()

    def _wake(self) -> None:
        """Lets every mail that waits for the route look at it again."""
        before, self._route_changed = self._route_changed, asyncio.Event()
        before.set()

    # Events about the route

    def _append(self, event: Event) -> None:
        """In the background: the pool does not wait for its listeners."""
        self._appends.append(event, self._forget_learned)

    def _forget_learned(self) -> None:
        self._learned = None


def _held(hold: DeliveryHeld) -> Unroutable:
    return Unroutable(f"held by hand{f': {hold.reason}' if hold.reason else ''}", held=True)


def _facts(event: RouteLearned) -> tuple[object, ...]:
    return event.host, event.smtputf8, event.eight_bit, event.max_size, event.require_tls
