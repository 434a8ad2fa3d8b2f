"""Following a stream in order: an ephemeral consumer, made anew from the last sequence whenever anything is odd."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

from varco_common.base.errors import TransientError
from varco_common.base.tasks import ended
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, FollowerPosition, lags, named
from varco_common.bus.delivery import AckMetadata as At
from varco_common.bus.pull_loop import FetchBudget, PullLoop

FOLLOWER = "follow-"  # prefix of the consumers that end with their process
BATCH = 512
BATCH_BYTES = 4 * 1024 * 1024


class StreamMessage(NamedTuple):
    """A stored message as it lies. `at` is nanoseconds since 1970, `pending` how many more the stream has for this reader."""

    sequence: int
    at: int
    subject: str
    headers: bytes
    payload: bytes
    pending: int


class OrderedConsumer:
    """Messages of `stream` after a sequence, each once, without a gap, for ever."""

    def __init__(
        self, link: NatsConnection, stream: str, filters: tuple[str, ...], after: int, *, headers_only: bool = False
    ) -> None:
        self._link = link
        self._headers_only = headers_only
        self._stream = stream
        self._filters = filters
        self._last = after
        self._consumer = ""
        self._expected = 1  # the consumer's own count, that shows a gap
        self._waiting = 0
        self._in_hand = 0
        self._pending = 0  # in the stream, as the newest message says
        self._oldest = 0
        self._messages: asyncio.Queue[StreamMessage] = asyncio.Queue()
        self._pulls = PullLoop(link, stream, self._prepare, self._room, self._arrived, give_back=False)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        link: NatsConnection,
        stream: str,
        filters: tuple[str, ...],
        after: int,
        *,
        headers_only: bool = False,
        name: str = "",
    ) -> AsyncIterator[Self]:
        """`name` is what its lag is shown under."""
        self = cls(link, stream, filters, after, headers_only=headers_only)
        task = asyncio.create_task(self._pulls.run(), name=f"follow {stream}")
        try:
            with lags.shown(FollowerPosition(link.name, stream, name or named(filters)), self._behind):
                yield self
        finally:
            await ended(task)
            await self._forget()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamMessage:
        self._in_hand = 0  # who asks for the next has dealt with the one before
        message = await self._messages.get()
        self._waiting -= 1
        self._in_hand, self._oldest = 1, message[1]
        self._pulls.refill()
        return message

    def _behind(self) -> ConsumerLag:
        return ConsumerLag(self._pending + self._waiting + self._in_hand, self._oldest)

    def _room(self) -> FetchBudget:
        return FetchBudget(BATCH if self._waiting <= BATCH // 2 else 0, BATCH_BYTES)

    async def _prepare(self) -> str:
        await self._forget()
        self._consumer = f"{FOLLOWER}{self._link.name}-{secrets.token_hex(6)}"
        self._expected = 1
        config: dict[str, Any] = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._last + 1,
            "ack_policy": "none",
            "filter_subjects": list(self._filters),
            "headers_only": self._headers_only,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(120e9),
        }
        question = {"stream_name": self._stream, "config": config, "action": "create"}
        await jetstream.api(self._link, f"CONSUMER.CREATE.{self._stream}.{self._consumer}", question)
        return self._consumer

    async def _forget(self) -> None:
        consumer, self._consumer = self._consumer, ""
        if consumer and self._link.up:
            with contextlib.suppress(TransientError):  # the server forgets it by itself, too
                await jetstream.api(self._link, f"CONSUMER.DELETE.{self._stream}.{consumer}")

    def _arrived(self, subject: bytes, place: At, _reply: bytes, headers: bytes, payload: bytes) -> None:
        if place.consumer_sequence != self._expected:
            self._expected = -1  # what follows of this round is out of order, too
            self._pulls.disturb("a message is missing")
            return
        self._expected += 1
        if place.sequence > self._last:
            self._last = place.sequence
            if not self._waiting and not self._in_hand:
                self._oldest = place.at
            self._waiting += 1
            self._pending = place.pending
            message = StreamMessage(place.sequence, place.at, subject.decode(), headers, payload, place.pending)
            self._messages.put_nowait(message)
