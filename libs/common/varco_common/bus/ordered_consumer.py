"""An ephemeral consumer of a stream, made again when a message is missing: all come in order."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

from varco_common.base.errors import TransientError
from varco_common.base.tasks import ended
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, FollowerName, consumer_lags, default_name
from varco_common.bus.delivery import AckMetadata
from varco_common.bus.pull_loop import FetchBudget, PullLoop

FOLLOWER_PREFIX = "follow-"  # of the consumers that end with their process
BATCH = 512
BATCH_BYTES = 4 * 1024 * 1024
_INACTIVE_SECONDS = 120  # after which the server deletes the consumer of a process that died


class StreamMessage(NamedTuple):
    """A stored message.

    `at` is in nanoseconds since 1970; `pending` counts the messages behind it for this reader.
    """

    sequence: int
    at: int
    subject: str
    headers: bytes
    payload: bytes
    pending: int


class OrderedConsumer:
    """Messages of `stream` after sequence `after`, each once, without a gap, for ever."""

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        filters: tuple[str, ...],
        after: int,
        *,
        headers_only: bool = False,
    ) -> None:
        self._connection, self._stream, self._filters = connection, stream, filters
        self._headers_only = headers_only
        self._last_sequence = after
        self._consumer = ""
        self._next_number = 1  # the consumer numbers its messages: a gap in the numbers is a missing message
        self._queued = 0
        self._in_hand = 0
        self._pending = 0  # in the stream, as the newest message tells
        self._oldest = 0
        self._messages: asyncio.Queue[StreamMessage] = asyncio.Queue()
        self._pulls = PullLoop(connection, stream, self._prepare, self._budget, self._arrived, give_back=False)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        connection: NatsConnection,
        stream: str,
        filters: tuple[str, ...],
        after: int,
        *,
        headers_only: bool = False,
        name: str = "",
    ) -> AsyncIterator[Self]:
        """Pulls inside the block. `name` labels its lag in the metrics."""
        self = cls(connection, stream, filters, after, headers_only=headers_only)
        task = asyncio.create_task(self._pulls.run(), name=f"follow {stream}")
        follower = FollowerName(connection.name, stream, name or default_name(filters))
        try:
            with consumer_lags.shown(follower, self._lag):
                yield self
        finally:
            await ended(task)
            await self._delete_consumer()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamMessage:
        self._in_hand = 0  # asking for the next message means that the one before is handled
        message = await self._messages.get()
        self._queued -= 1
        self._in_hand, self._oldest = 1, message.at
        self._pulls.refill()
        return message

    def _lag(self) -> ConsumerLag:
        return ConsumerLag(self._pending + self._queued + self._in_hand, self._oldest)

    # what PullLoop calls

    def _budget(self) -> FetchBudget:
        return FetchBudget(BATCH if self._queued <= BATCH // 2 else 0, BATCH_BYTES)

    async def _prepare(self) -> str:
        await self._delete_consumer()
        self._consumer = f"{FOLLOWER_PREFIX}{self._connection.name}-{secrets.token_hex(6)}"
        self._next_number = 1
        config: dict[str, Any] = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._last_sequence + 1,
            "ack_policy": "none",
            "filter_subjects": list(self._filters),
            "headers_only": self._headers_only,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _INACTIVE_SECONDS * 1_000_000_000,
        }
        request = {"stream_name": self._stream, "config": config, "action": "create"}
        await jetstream.api(self._connection, f"CONSUMER.CREATE.{self._stream}.{self._consumer}", request)
        return self._consumer

    async def _delete_consumer(self) -> None:
        consumer, self._consumer = self._consumer, ""
        if consumer and self._connection.up:
            with contextlib.suppress(TransientError):  # the server deletes an inactive one by itself
                await jetstream.api(self._connection, f"CONSUMER.DELETE.{self._stream}.{consumer}")

    def _arrived(self, subject: bytes, metadata: AckMetadata, _reply: bytes, headers: bytes, payload: bytes) -> None:
        if metadata.consumer_sequence != self._next_number:
            self._next_number = -1  # the messages behind it in this round are out of order, too
            self._pulls.restart("a message is missing")
            return
        self._next_number += 1
        if metadata.sequence <= self._last_sequence:
            return
        self._last_sequence = metadata.sequence
        if not self._queued and not self._in_hand:
            self._oldest = metadata.at
        self._queued += 1
        self._pending = metadata.pending
        self._messages.put_nowait(
            StreamMessage(metadata.sequence, metadata.at, subject.decode(), headers, payload, metadata.pending)
        )
