"""A durable consumer of MAIL: each mail comes until it is acknowledged, whatever dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from varco_common.base import subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import ended
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, FollowerName, consumer_lags
from varco_common.bus.dead_letters import park
from varco_common.bus.delivery import ACK, NAK, TERM, AckMetadata, Delivery
from varco_common.bus.pull_loop import FetchBudget, PullLoop
from varco_common.bus.redelivery import WAIT_SECONDS, RedeliveryResult
from varco_common.bus.stored_mail import MissingMail, get_mail, record_of

ACK_WAIT_SECONDS = 60.0


class ConsumerLimits(NamedTuple):
    """At most `in_flight` mails of about `max_bytes` together are in hand. `ack_wait`: seconds."""

    in_flight: int
    max_bytes: int
    headers_only: bool = False
    ack_wait: float = ACK_WAIT_SECONDS


class ConsumerPlace(NamedTuple):
    """The last sequence that was handed out, and how many mails are behind it.

    `pending` counts those and the ones that are neither acknowledged nor parked.
    """

    handed_out: int
    behind: int
    pending: int


class DurableConsumer:
    """Mails of one durable consumer."""

    def __init__(
        self,
        connection: NatsConnection,
        durable: str,
        filters: tuple[str, ...],
        limits: ConsumerLimits,
        timeout: float,
    ) -> None:
        self._connection, self.durable, self._filters = connection, durable, filters
        self._limits, self._timeout = limits, timeout
        self.ack_wait = limits.ack_wait
        self.paused = False
        self._in_hand: dict[int, Delivery] = {}
        self._bytes = 0
        self._pending = 0  # behind those in hand, as the newest delivery tells
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._parking: dict[int, asyncio.Task[None]] = {}
        self._pulls = PullLoop(connection, subjects.MAIL, self._prepare, self._budget, self._arrived, give_back=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        connection: NatsConnection,
        durable: str,
        filters: tuple[str, ...],
        limits: ConsumerLimits,
        timeout: float,
    ) -> AsyncIterator[Self]:
        self = cls(connection, durable, filters, limits, timeout)
        task = asyncio.create_task(self._pulls.run(), name=f"pull {durable}")
        try:
            with consumer_lags.shown(FollowerName(connection.name, subjects.MAIL, durable), self._lag):
                connection.redeliveries.add(durable, self._redeliver)
                yield self
        finally:
            connection.redeliveries.remove(durable)
            try:
                await ended(task, *self._parking.values())
            finally:
                self._return_queued()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        return await self._queue.get()

    async def batch(self, limit: int) -> list[Delivery]:
        """Waits for a mail; returns it with those that came with it, at most `limit`."""
        deliveries = [await self._queue.get()]
        while len(deliveries) < limit and not self._queue.empty():
            deliveries.append(self._queue.get_nowait())
        return deliveries

    def pause(self) -> None:
        """Stops pulling. Mails that were not yet handed out go back to the bus."""
        self.paused = True
        self._pulls.pause()
        self._return_queued()

    def resume(self) -> None:
        self.paused = False
        self._pulls.resume()

    async def pending(self) -> int:
        """How many mails are neither acknowledged nor parked, those in hand included."""
        return (await self.place()).pending

    def in_hand(self) -> list[Delivery]:
        """The mails in hand, the oldest first."""
        return [delivery for _, delivery in sorted(self._in_hand.items())]

    async def place(self) -> ConsumerPlace:
        info = await jetstream.api(self._connection, f"CONSUMER.INFO.{subjects.MAIL}.{self.durable}")
        behind = int(info["num_pending"])
        return ConsumerPlace(int(info["delivered"]["stream_seq"]), behind, behind + int(info["num_ack_pending"]))

    def oldest(self) -> datetime | None:
        """When ingress received the oldest mail in hand; None while there is none."""
        return min((delivery.record.envelope.received_at for delivery in self._in_hand.values()), default=None)

    # what a Delivery calls

    def finish(self, delivery: Delivery, answer: bytes) -> None:
        if self._in_hand.pop(delivery.sequence, None) is None:
            return  # finished before
        self._bytes -= delivery.size
        if delivery.redelivered:
            delivery.redelivered.set_result(answer)
        else:
            self.send_answer(delivery.reply, answer)
        self._pulls.refill()

    def send_answer(self, reply: str, answer: bytes) -> None:
        if reply:  # a redelivery has none: the stream knows nothing of it
            with contextlib.suppress(TransientError):  # without an answer the mail comes again
                self._connection.publish(reply, answer)

    async def park(self, sequence: int, why: str, again: str = "") -> None:
        await park(self._connection, subjects.MAIL, sequence, why, self._timeout, consumer=self.durable, again=again)

    # a parked mail once more

    async def _redeliver(self, sequence: int) -> RedeliveryResult:
        """Hands out a parked mail once more, unknown to the bus, and waits for the answer."""
        if sequence in self._in_hand or sequence in self._parking:
            return RedeliveryResult("in hand", "it is being worked at")
        try:
            stored = await get_mail(self._connection, {"seq": sequence}, f"no mail at {sequence}", self._timeout)
        except MissingMail as error:
            return RedeliveryResult("gone", str(error))
        except PoisonError as error:
            return RedeliveryResult("parked", str(error))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        content, size = (stored.record, stored.body), len(stored.body)
        self._hand_out(Delivery(self, stored.subject, sequence, 2, stored.at, "", *content, size, future))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                answer = await asyncio.shield(future)
        except TimeoutError:
            return RedeliveryResult("in hand", f"not finished after {WAIT_SECONDS:g} s")
        if answer == TERM:
            return RedeliveryResult("parked")
        return RedeliveryResult("done") if answer == ACK else RedeliveryResult("not now", "it was given back")

    # what PullLoop calls

    def _budget(self) -> FetchBudget:
        """Asks again when half of the limits is free: one pull then brings many mails."""
        in_hand = len(self._in_hand) + len(self._parking)
        limits = self._limits
        if in_hand * 2 > limits.in_flight or self._bytes * 2 > limits.max_bytes:
            return FetchBudget(0, 0)
        return FetchBudget(limits.in_flight - in_hand, limits.max_bytes - self._bytes)

    async def _prepare(self) -> str:
        config: dict[str, Any] = {
            "durable_name": self.durable,
            "name": self.durable,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self.ack_wait * 1e9),
            "max_deliver": -1,  # parking ends a delivery, a count never does
            "max_ack_pending": -1,  # what is pulled bounds it
            "filter_subjects": list(self._filters),
            "headers_only": self._limits.headers_only,
        }
        question = {"stream_name": subjects.MAIL, "config": config, "action": ""}
        await jetstream.api(self._connection, f"CONSUMER.CREATE.{subjects.MAIL}.{self.durable}", question)
        return self.durable

    def _arrived(self, subject: bytes, metadata: AckMetadata, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._pending, sequence = metadata.pending, metadata.sequence
        if delivery := self._in_hand.get(sequence):
            return delivery.renew(reply.decode(), metadata.delivered)
        if sequence in self._parking:
            return None
        try:
            record = record_of(headers)
        except PoisonError as error:
            task = asyncio.create_task(self._park_unreadable(sequence, reply.decode(), str(error)))
            self._parking[sequence] = task
            return None
        at, size = datetime.fromtimestamp(metadata.at / 1e9, UTC), len(headers) + len(payload)
        place = (subject.decode(), sequence, metadata.delivered, at, reply.decode())
        return self._hand_out(Delivery(self, *place, record, payload, size))

    def _hand_out(self, delivery: Delivery) -> None:
        self._in_hand[delivery.sequence] = delivery
        self._bytes += delivery.size
        self._queue.put_nowait(delivery)

    async def _park_unreadable(self, sequence: int, reply: str, why: str) -> None:
        try:
            await self.park(sequence, why)
            self.send_answer(reply, TERM)
        finally:
            del self._parking[sequence]
            self._pulls.refill()

    def _return_queued(self) -> None:
        while not self._queue.empty():
            self.finish(self._queue.get_nowait(), NAK)

    def _lag(self) -> ConsumerLag:
        oldest = min((delivery.at.timestamp() for delivery in self._in_hand.values()), default=0.0)
        return ConsumerLag(self._pending + len(self._in_hand) + len(self._parking), int(oldest * 1e9))
