"""Stream MAIL: one record for each accepted mail. The header holds everything but the body."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import msgspec

from varco_common.base import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.durable_consumer import ACK_WAIT_SECONDS, ConsumerLimits, DurableConsumer
from varco_common.bus.headers import header
from varco_common.bus.ordered_consumer import OrderedConsumer
from varco_common.bus.redelivery import REDELIVER, WAIT_SECONDS, RedeliveryRequest, RedeliveryResult
from varco_common.bus.requests import BusRequests
from varco_common.bus.stored_mail import RECORD, MissingMail, StoredMail, get_mail
from varco_common.mail.record import MailRecord, encode_record


class StoredRecord(NamedTuple):
    """An encoded record, its sequence in MAIL and when it was stored (ms since 1970).

    `record` is empty if the message has none. `pending` counts the records behind it for this
    follower.
    """

    sequence: int
    at: int
    record: bytes
    subject: str = ""
    pending: int = 0


def message_id(kind: str, record: MailRecord) -> str:
    """Nats-Msg-Id: a second append with it stores nothing.

    The mail id, and the kind of a mail that a worker made.
    """
    mail = record.envelope.id
    return mail if kind in ("accepted", "convert") else f"{mail}.{kind}"


class MailStream:
    """Stream MAIL as services use it. Methods raise TransientError while the bus is away."""

    def __init__(self, connection: NatsConnection, timeout: float, requests: BusRequests) -> None:
        self._connection, self._timeout, self._requests = connection, timeout, requests
        self._redelivery_subscribed = False

    async def append(self, kind: str, record: MailRecord, body: bytes, *, expect: int | None = None) -> int:
        """Appends the record and returns its sequence in MAIL once it is fsynced.

        The same mail within two minutes is stored once. Raises ConflictError if the account's last
        record of this kind is not at `expect` (0: there is none). Raises StoreFull. Raises
        PoisonError if it is larger than the bus takes. After a TransientError it may be stored.
        """
        guard = b"" if expect is None else b"Nats-Expected-Last-Subject-Sequence: %d\r\n" % expect
        headers = b"NATS/1.0\r\nNats-Msg-Id: %s\r\n%sVarco-Record: %s\r\n\r\n" % (
            message_id(kind, record).encode(),
            guard,
            encode_record(record).encode(),
        )
        subject = subjects.mail(kind, subjects.token(record.envelope.account))
        return await jetstream.append(self._connection, subject, body, headers, self._timeout, named=True)

    async def get(self, sequence: int) -> StoredMail:
        """The mail at this sequence. Raises MissingMail when it is gone."""
        return await get_mail(self._connection, {"seq": sequence}, f"no mail at {sequence}", self._timeout)

    async def read(self, kind: str, account: str, after: int) -> AsyncGenerator[StoredMail, None]:
        """Yields an account's mails of one kind behind `after`, up to the last one now.

        One round trip each.
        """
        subject = subjects.mail(kind, subjects.token(account))
        while True:
            try:
                mail = await get_mail(self._connection, {"seq": after + 1, "next_by_subj": subject}, "", self._timeout)
            except MissingMail:
                return
            yield mail
            after = mail.sequence

    async def follow(self, *filters: str, after: int = 0, name: str = "") -> AsyncGenerator[StoredRecord, None]:
        """Yields the records that match any filter, from `after` + 1, in order, for ever.

        No bodies.
        """
        async with OrderedConsumer.open(
            self._connection, subjects.MAIL, filters, after, headers_only=True, name=name
        ) as messages:
            async for message in messages:  # a consumer parks a message without a record
                record = header(message.headers, RECORD) if message.own else b""
                yield StoredRecord(message.sequence, message.at // 1_000_000, record, message.subject, message.pending)

    async def last_sequence(self, *filters: str) -> int:
        """The sequence of the last record that matches any filter; 0 if there is none."""
        sequences = (jetstream.last_sequence(self._connection, subjects.MAIL, f) for f in filters)
        return max(await asyncio.gather(*sequences))

    def consume(
        self,
        durable: str,
        *filters: str,
        in_flight: int,
        max_bytes: int,
        headers_only: bool = False,
        ack_wait: float = ACK_WAIT_SECONDS,
    ) -> AbstractAsyncContextManager[DurableConsumer]:
        """Pulls mails through a durable consumer, and creates it if it does not exist.

        At most `in_flight` mails, of about `max_bytes` together, are in hand. What the consumer
        parks can be delivered once more with `redeliver`.
        """
        if not self._redelivery_subscribed:
            self._redelivery_subscribed = True
            subject = subjects.request(self._connection.name, REDELIVER)
            self._requests.subscribe(subject, self._connection.name, self._connection.redeliveries.answer)
        limits = ConsumerLimits(in_flight, max_bytes, headers_only, ack_wait)
        return DurableConsumer.open(self._connection, durable, filters, limits, self._timeout)

    async def redeliver(self, service: str, consumer: str, sequence: int) -> RedeliveryResult:
        """Hands a parked record to the consumer that parked it, once more."""
        request = msgspec.json.encode(RedeliveryRequest(consumer, sequence))
        reply = await self._requests.ask(subjects.request(service, REDELIVER), request, WAIT_SECONDS + 2)
        return msgspec.json.decode(reply, type=RedeliveryResult)

    async def missing(self, sequences: Iterable[int]) -> set[int]:
        """The sequences among these that MAIL does not have, or no longer has. One request."""
        info = await jetstream.api(self._connection, f"STREAM.INFO.{subjects.MAIL}", {"deleted_details": True})
        state = info["state"]
        deleted = set(state.get("deleted") or ())
        first, last = int(state["first_seq"]), int(state["last_seq"])
        return {sequence for sequence in sequences if not first <= sequence <= last or sequence in deleted}

    async def bounds(self) -> tuple[int, int]:
        """The first sequence that is still there, and the last one ever given.

        In an empty stream the first is the next one to be given.
        """
        return await jetstream.bounds(self._connection, subjects.MAIL)

    async def acknowledged(self, durable: str) -> int:
        """The sequence up to which this durable consumer has finished all mails.

        0 if there is no such consumer.
        """
        try:
            info = await jetstream.api(self._connection, f"CONSUMER.INFO.{subjects.MAIL}.{durable}")
        except jetstream.ApiError as error:
            if error.err_code == jetstream.CONSUMER_NOT_FOUND:
                return 0
            raise
        return int(info["ack_floor"]["stream_seq"])

    async def delete_consumer(self, durable: str) -> None:
        """Deletes the durable consumer with its state. Does nothing if there is none."""
        try:
            await jetstream.api(self._connection, f"CONSUMER.DELETE.{subjects.MAIL}.{durable}")
        except jetstream.ApiError as error:
            if error.err_code != jetstream.CONSUMER_NOT_FOUND:
                raise
