"""Pulling MAIL through a durable consumer: each mail until it is acknowledged, whatever dies in between."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Self

from varco_common.base import subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.ids import new_id
from varco_common.base.tasks import ended
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, lags
from varco_common.bus.consumer_lag import FollowerPosition as Shown
from varco_common.bus.dead_letters import park
from varco_common.bus.pull_loop import AckMetadata, FetchBudget, PullLoop
from varco_common.bus.redelivery import WAIT_SECONDS, RedeliveryResult
from varco_common.bus.stored_mail import MissingMail, get_mail, own_record
from varco_common.mail.record import MailRecord

log = logging.getLogger(__name__)

ACK_WAIT_SECONDS = 60.0


class Delivery:
    """One mail in hand. Finish it with `ack`, `nak` or `park`, after the effect; say `progress` while that takes long.

    `deliveries` counts from 1; more than 1 means that an earlier try wasn't finished, but a bus that was killed may have
    forgotten it. `body` is the inline body in wire form. A finish that the bus doesn't get means that the mail comes
    again: every handler must bear that.
    """

    __slots__ = ("_owner", "_reply", "again", "at", "body", "deliveries", "record", "sequence", "size", "subject")

    def __init__(
        self,
        owner: "DurableConsumer",
        subject: str,
        place: AckMetadata,
        reply: bytes,
        *,
        record: MailRecord,
        body: bytes,
        size: int,
    ) -> None:
        self._owner = owner
        self._reply = reply.decode()
        self.subject = subject
        self.sequence = place.sequence
        self.deliveries = place.delivered
        self.at = datetime.fromtimestamp(place.at / 1e9, UTC)
        self.record = record
        self.body = body
        self.size = size
        self.again: asyncio.Future[bytes] | None = None  # of a redelivery: how it was finished

    async def ack(self) -> None:
        """Done: this consumer never gets it again."""
        self._owner.finish(self, b"+ACK")

    async def nak(self, delay: float = 0.0) -> None:
        """Not now: it comes again after `delay` seconds."""
        self._owner.finish(self, b'-NAK {"delay": %d}' % int(delay * 1e9) if delay > 0 else b"-NAK")

    async def park(self, why: str) -> None:
        """Never: `RecordParked` is appended, then the mail is taken off this consumer. It stays in MAIL."""
        await self._owner.park(self.sequence, why, again=f"-{new_id()}" if self.again else "")
        self._owner.finish(self, b"+TERM")

    async def progress(self) -> None:
        """Still at it: the ack wait begins anew."""
        self._owner.say(self._reply, b"+WPI")

    def renewed(self, reply: bytes, deliveries: int) -> None:
        """The bus sent it again while it is in hand: the newest delivery is the one to answer."""
        self._reply = reply.decode()
        self.deliveries = deliveries

    @property
    def reply(self) -> str:
        return self._reply


class DurableConsumer:
    """Mails of one durable consumer. At most `in_flight` mails and about `max_bytes` are in hand at a time."""

    def __init__(
        self,
        link: NatsConnection,
        durable: str,
        filters: tuple[str, ...],
        *,
        in_flight: int,
        max_bytes: int,
        headers_only: bool,
        ack_wait: float,
        timeout: float,
    ) -> None:
        self._link = link
        self._durable = durable
        self._filters = filters
        self._in_flight = in_flight
        self._max_bytes = max_bytes
        self._headers_only = headers_only
        self._ack_wait = ack_wait
        self._timeout = timeout
        self._held: dict[int, Delivery] = {}
        self._bytes = 0
        self._pending = 0  # beyond what is in hand, as the newest delivery says
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._parking: dict[int, asyncio.Task[None]] = {}
        self._pulls = PullLoop(link, subjects.MAIL, self._prepare, self._room, self._arrived, give_back=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, link: NatsConnection, durable: str, filters: tuple[str, ...], **limits: Any
    ) -> AsyncIterator[Self]:
        self = cls(link, durable, filters, **limits)
        task = asyncio.create_task(self._pulls.run(), name=f"pull {durable}")
        try:
            with lags.shown(Shown(link.name, subjects.MAIL, durable), self._behind):
                link.redeliveries.add(durable, self.redeliver)
                yield self
        finally:
            link.redeliveries.remove(durable)
            try:
                await ended(task, *self._parking.values())
            finally:
                self._give_back()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        return await self._queue.get()

    def pause(self) -> None:
        """Stops pulling. What was not yet handed out goes back to the bus."""
        self._pulls.pause()
        self._give_back()

    def resume(self) -> None:
        self._pulls.resume()

    async def pending(self) -> int:
        """How many mails wait for this consumer: neither acknowledged nor parked, those in hand included."""
        info = await jetstream.api(self._link, f"CONSUMER.INFO.{subjects.MAIL}.{self._durable}")
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    # what a Delivery calls

    def finish(self, delivery: Delivery, word: bytes) -> None:
        if self._held.pop(delivery.sequence, None) is None:
            return  # finished before
        self._bytes -= delivery.size
        if delivery.again:
            delivery.again.set_result(word)
        else:
            self.say(delivery.reply, word)
        self._pulls.refill()

    def say(self, reply: str, word: bytes) -> None:
        if not reply:
            return  # a redelivery: the stream knows nothing of it
        with contextlib.suppress(TransientError):  # unsaid: the mail comes again
            self._link.publish(reply, word)

    async def park(self, sequence: int, why: str, again: str = "") -> None:
        await park(self._link, subjects.MAIL, sequence, why, self._timeout, consumer=self._durable, again=again)

    async def redeliver(self, sequence: int) -> RedeliveryResult:
        """Hands out a parked record once more; what came of it. Handlers bear a mail that comes again, as they always must."""
        if sequence in self._held or sequence in self._parking:
            return RedeliveryResult("in hand", "it is being worked at")
        try:
            stored = await get_mail(self._link, {"seq": sequence}, f"no mail at {sequence}", self._timeout)
        except MissingMail as error:
            return RedeliveryResult("gone", str(error))
        except PoisonError as error:
            return RedeliveryResult("parked", str(error))
        place = AckMetadata(2, sequence, 0, int(stored.at.timestamp() * 1e9), self._pending)
        delivery = Delivery(
            self, stored.subject, place, b"", record=stored.record, body=stored.body, size=len(stored.body)
        )
        delivery.again = asyncio.get_running_loop().create_future()
        self._held[sequence] = delivery
        self._bytes += delivery.size
        self._queue.put_nowait(delivery)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                word = await asyncio.shield(delivery.again)
        except TimeoutError:
            return RedeliveryResult("in hand", f"not finished after {WAIT_SECONDS:g} s")
        if word == b"+ACK":
            return RedeliveryResult("done")
        parked_again = word == b"+TERM"
        return RedeliveryResult("parked" if parked_again else "not now", "" if parked_again else "it was given back")

    # what Pulls calls

    def _behind(self) -> ConsumerLag:
        oldest = min((delivery.at.timestamp() for delivery in self._held.values()), default=0.0)
        return ConsumerLag(self._pending + len(self._held) + len(self._parking), int(oldest * 1e9))

    def _room(self) -> FetchBudget:
        held = len(self._held) + len(self._parking)
        if held * 2 > self._in_flight or self._bytes * 2 > self._max_bytes:
            return FetchBudget(0, 0)
        return FetchBudget(self._in_flight - held, self._max_bytes - self._bytes)

    async def _prepare(self) -> str:
        config: dict[str, Any] = {
            "durable_name": self._durable,
            "name": self._durable,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self._ack_wait * 1e9),
            "max_deliver": -1,  # parking ends a delivery, a count never does
            "max_ack_pending": -1,  # what is pulled bounds it
            "filter_subjects": list(self._filters),
            "headers_only": self._headers_only,
        }
        question = {"stream_name": subjects.MAIL, "config": config, "action": ""}
        await jetstream.api(self._link, f"CONSUMER.CREATE.{subjects.MAIL}.{self._durable}", question)
        return self._durable

    def _arrived(self, subject: bytes, place: AckMetadata, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._pending = place.pending
        if held := self._held.get(place.sequence):
            held.renewed(reply, place.delivered)
            self.say(held.reply, b"+WPI")
            return
        if place.sequence in self._parking:
            return
        try:
            record = own_record(headers)
        except PoisonError as error:
            task = asyncio.create_task(self._park_unread(place.sequence, reply.decode(), str(error)))
            self._parking[place.sequence] = task
            return
        size = len(headers) + len(payload)
        delivery = Delivery(self, subject.decode(), place, reply, record=record, body=payload, size=size)
        self._held[place.sequence] = delivery
        self._bytes += size
        self._queue.put_nowait(delivery)

    async def _park_unread(self, sequence: int, reply: str, why: str) -> None:
        try:
            await self.park(sequence, why)
            self.say(reply, b"+TERM")
        finally:
            del self._parking[sequence]
            self._pulls.refill()

    def _give_back(self) -> None:
        while not self._queue.empty():
            delivery = self._queue.get_nowait()
            self.finish(delivery, b"-NAK")
