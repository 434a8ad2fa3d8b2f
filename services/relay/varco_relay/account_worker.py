"""Delivers one account's accepted mail: the first attempt for each, once its route is up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import all_results, done_within
from varco_common.bus import Delivery, DurableConsumer, MailWorker
from varco_common.events import DeliveryHeld, Route
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.record import MailConverted
from varco_relay import metrics
from varco_relay.delivery_attempt import Deliverer, utc_now
from varco_relay.first_attempts import FirstAttempts
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.route_rules import RouteRules
from varco_relay.model.untried_mail import UntriedMail
from varco_relay.outgoing_message import OutgoingMessage
from varco_relay.recorded_outcomes import RecordedOutcomes
from varco_relay.route_document import describe_rule
from varco_relay.route_events import RouteEvents, RuleListener
from varco_relay.route_table import RoutePart, RouteTable
from varco_relay.smtp.pool_registry import PoolRegistry, Unroutable
from varco_relay.smtp.transaction import Capabilities
from varco_relay.untried_search import FoundUntried, Wanted, find_untried

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
        rules: Projection[RouteRules],
        deliverer: Deliverer,
        pools: PoolRegistry,
        *,
        grace: float,
    ) -> None:
        self.account = account
        self.table = RouteTable(Unroutable("not started"))
        self._routes, self._rules, self._deliverer, self._pools, self._grace = routes, rules, deliverer, pools, grace
        self._bus = deliverer.bus
        self._recorded = RecordedOutcomes(self._bus, account)
        self._wanted: tuple[Route | None, RouteRules | None] = (None, None)
        self._route_changed = asyncio.Event()  # set and replaced when the route changed or came back
        self._events = RouteEvents(account, self._bus.events)
        self._first = FirstAttempts()
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
            await self._events.flush(self._grace)
            self._leave(self.table)
            self.table = RouteTable(Unroutable("not started"))

    def update_route(self) -> None:
        """Looks up the account's route and rules again."""
        state, rules = self._routes.get(self.account), self._rules.get(self.account)
        if state:
            self._events.load(state)
        hold = state.hold if state else None
        wanted = (state.route if state else None, rules)
        if not hold and wanted == self._wanted and self.table.is_complete:
            return
        before, self._wanted = self.table, wanted
        self.table = RouteTable(_held(hold)) if hold else self._joined(*wanted)
        self._leave(before)
        self._wake()

    def _joined(self, route: Route | None, rules: RouteRules | None) -> RouteTable:
        listeners = [(rule, RuleListener(describe_rule(rule), self._events)) for rule in rules.rules] if rules else []
        others = [self._pools.join(rule.route, listener) for rule, listener in listeners]
        return RouteTable(self._pools.join(route, self), rules, others)

    def _leave(self, table: RouteTable) -> None:
        for destination in table.all:
            self._pools.leave(destination)

    async def untried(self) -> int:
        """The number of accepted mails that were not tried yet."""
        return await self._consumer.pending() if self._consumer else 0

    async def find_untried(self, limit: int, wanted: Wanted) -> FoundUntried:
        """The oldest mails that were not tried yet, and are not dropped.

        A dropped one is among the others: it ends when it comes to hand.
        """
        if not self._consumer:
            return FoundUntried([], [])
        return await find_untried(
            self._bus,
            self._consumer,
            self.account,
            limit=limit,
            wanted=lambda mail: not self.is_dropped(mail) and wanted(mail),
            on_place=self._first.handed_out,
        )

    @asynccontextmanager
    async def set_aside(self, mails: Sequence[UntriedMail]) -> AsyncIterator[list[UntriedMail]]:
        """No first attempt begins inside the block.

        Yields the mails of which none goes on, each with the recipients that have no outcome.
        """
        by_id = {mail.mail: mail for mail in sorted(mails, key=lambda mail: mail.accepted_at)[: self._first.room]}
        with self._first.set_aside(by_id) as waiting:
            self._recorded.forget()  # attempts that have ended by now are in EVENTS
            yield [await self._without_outcome(by_id[mail]) for mail in waiting]

    async def _without_outcome(self, mail: UntriedMail) -> UntriedMail:
        final = await self._recorded.recipients(mail.sequence, mail.accepted_at)
        return mail._replace(recipients=tuple(recipient for recipient in mail.recipients if recipient not in final))

    def is_dropped(self, mail: UntriedMail) -> bool:
        """Whether no recipient is left to be tried."""
        return not self._first.not_dropped(mail.mail, mail.recipients)

    def is_tried_now(self, mail: str) -> bool:
        """Whether an attempt goes on, so that it is not known yet what comes of the mail."""
        return self._first.is_tried_now(mail)

    def drop(self, mail: str, sequence: int, recipients: tuple[str, ...]) -> None:
        """EVENTS has their end, so no first attempt is made for these recipients of a mail."""
        self._first.drop(mail, sequence, recipients)
        self._wake()

    def oldest(self) -> datetime | None:
        """When the oldest mail in hand was accepted."""
        return self._consumer.oldest() if self._consumer else None

    # Called by the connection pool (PoolListener)

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None:
        """Ingress asks before it knows the recipients: where they have rules, it learns nothing."""
        rules = self._wanted[1]
        if not (rules and rules.rules):
            self._events.learned(host, capabilities)
        self._events.recovered("", host)

    def on_down(self, host: str, reason: str) -> None:
        self._events.failed("", host, reason)

    def on_recovered(self) -> None:
        self._wake()

    # Mails

    async def _handle(self, delivery: Delivery) -> None:
        with self._first.in_hand(delivery.record.envelope.id, delivery.sequence):
            await self._try_first(delivery)

    async def _try_first(self, delivery: Delivery) -> None:
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
                converted=isinstance(record, MailConverted),
            )
            await self._deliver(message, delivery)
            self._recorded.add(delivery.sequence, recipients)
        except TransientError:
            self._recorded.forget()
            raise

    async def _deliver(self, message: OutgoingMessage, delivery: Delivery) -> None:
        """Makes attempts until each recipient had one.

        While the only route is down, waits until the mail expires. Where there are several, the
        mail of one that is down is deferred: it must not hold up that of the others.
        """
        mail, untried = message.envelope.id, message.recipients
        await self._decided(delivery)
        while untried := self._first.not_dropped(mail, untried):
            route_changed, table = self._route_changed, self.table
            parts = table.parts(message.envelope.sender, untried)
            attempts = [self._attempt(message.part(part.recipients, part.route), part, table) for part in parts]
            with self._first.attempt(mail):
                results = await all_results(attempts)
            untried = tuple(recipient for left in results for recipient in left)
            if untried and table is self.table:
                with delivery.waiting():
                    await done_within(route_changed.wait(), ACK_WAIT_SECONDS)
            await self._decided(delivery)

    async def _decided(self, delivery: Delivery) -> None:
        """Returns once no drop of the mail is being recorded. At the process' end it goes back."""
        mail = delivery.record.envelope.id
        if self._first.is_set_aside(mail):
            with delivery.waiting():
                await self._first.decided(mail)

    async def _attempt(self, message: OutgoingMessage, part: RoutePart, table: RouteTable) -> tuple[str, ...]:
        """Returns the recipients that wait for their route."""
        destination, untried, why = part.destination, message.recipients, ""
        if not isinstance(destination, Unroutable) and not destination.down_reason:
            untried, _, why = await self._deliverer.attempt(message, destination)
            if untried and table is not self.table:  # the route was replaced, so its pool told nothing of the next hop
                return untried
            if not untried:  # of a next hop that MX records name no pool tells it
                self._events.recovered(part.route, destination.name)
        by_hand = isinstance(destination, Unroutable) and destination.held
        if untried and not by_hand and (reason := destination.down_reason or why):
            self._events.failed(part.route, destination.name, reason)  # no pool tells of a DNS without an answer
        if untried and (table.has_rules or self._deliverer.expired(message.envelope.received_at)):
            await self._deliverer.defer(message.part(untried, message.route), destination, why)
            return ()
        return untried

    def _doubt(self) -> None:
        """A bus that died may have lost acks of its last seconds: looks those mails up."""
        self._doubtful_until = utc_now() + _CLOCK_SKEW
        self._recorded.forget()

    def _wake(self) -> None:
        """Lets every mail that waits for the route look at it again."""
        before, self._route_changed = self._route_changed, asyncio.Event()
        before.set()


def _held(hold: DeliveryHeld) -> Unroutable:
    return Unroutable(f"held by hand{f': {hold.reason}' if hold.reason else ''}", held=True)
