"""An ephemeral consumer of a stream, made again when a message is missing: all come in order."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Self

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import ended
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, FollowerName, consumer_lags, default_name
from varco_common.bus.delivery import AckMetadata
from varco_common.bus.headers import is_reflected
from varco_common.bus.jetstream import StreamMessage
from varco_common.bus.pull_loop import FetchBudget, PullLoop

FOLLOWER_PREFIX = "follow-"  # of the consumers that end with their process
BATCH = 512
BATCH_BYTES = 4 * 1024 * 1024
_INACTIVE_SECONDS = 120  # after which the server deletes the consumer of a process that died


def filter_config(filters: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a consumer's configuration that say which subjects it reads."""
    return {"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": list(filters)}


def create_subject(stream: str, consumer: str, filters: tuple[str, ...]) -> str:
    """The request that creates a consumer.

    A single filter of EVENTS is part of it, so that the server can check what a user may read.
    Several filters would be in the body, which it does not check.
    """
    subject = f"CONSUMER.CREATE.{stream}.{consumer}"
    return f"{subject}.{filters[0]}" if stream == subjects.EVENTS and len(filters) == 1 else subject


async def sequence_before(connection: NatsConnection, stream: str, subject_filter: str, at: datetime) -> int:
    """The sequence before the first message that matches and was stored at `at` or later.

    The stream's last sequence if there is none. Asks for a consumer that begins there, and reads
    nothing.
    """
    name = f"{FOLLOWER_PREFIX}{connection.name}-{secrets.token_hex(12)}"
    config = {
        "name": name,
        "deliver_policy": "by_start_time",
        "opt_start_time": at.astimezone(UTC).isoformat(),
        "ack_policy": "none",
        "filter_subject": subject_filter,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _INACTIVE_SECONDS * 1_000_000_000,
    }
    request = {"stream_name": stream, "config": config, "action": "create"}
    info = await jetstream.api(connection, create_subject(stream, name, (subject_filter,)), request)
    with contextlib.suppress(TransientError):  # the server deletes it by itself
        await jetstream.api(connection, f"CONSUMER.DELETE.{stream}.{name}")
    return int(info["delivered"]["stream_seq"])


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
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection, self._stream, self._filters = connection, stream, filters
        self._headers_only, self._notify = headers_only, notify
        self.last_sequence = after  # of what has arrived, handed out or not
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
        follower = FollowerName(connection.name, stream, name or default_name(filters))
        async with self.pulling():
            with consumer_lags.shown(follower, self.lag):
                yield self

    @contextlib.asynccontextmanager
    async def pulling(self) -> AsyncIterator[None]:
        """Pulls inside the block."""
        task = asyncio.create_task(self._pulls.run(), name=f"follow {self._stream}")
        try:
            yield
        finally:
            await ended(task)
            await self._delete_consumer()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamMessage:
        self._in_hand = 0  # asking for the next message means that the one before is handled
        return self._hand_out(await self._messages.get())

    def next_arrived(self) -> StreamMessage | None:
        """The next message if it has arrived."""
        self._in_hand = 0
        return None if self._messages.empty() else self._hand_out(self._messages.get_nowait())

    def _hand_out(self, message: StreamMessage) -> StreamMessage:
        self._queued -= 1
        self._in_hand, self._oldest = 1, message.at
        self._pulls.refill()
        return message

    @property
    def records(self) -> int:
        """Messages that were not handled yet, the one in hand included."""
        return self._pending + self._queued + self._in_hand

    def lag(self) -> ConsumerLag:
        return ConsumerLag(self.records, self._oldest)

    # what PullLoop calls

    def _budget(self) -> FetchBudget:
        return FetchBudget(BATCH if self._queued <= BATCH // 2 else 0, BATCH_BYTES)

    async def _prepare(self) -> str:
        await self._delete_consumer()
        self._consumer = f"{FOLLOWER_PREFIX}{self._connection.name}-{secrets.token_hex(12)}"
        self._next_number = 1
        config: dict[str, Any] = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.last_sequence + 1,
            "ack_policy": "none",
            **filter_config(self._filters),
            "headers_only": self._headers_only,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _INACTIVE_SECONDS * 1_000_000_000,
        }
        request = {"stream_name": self._stream, "config": config, "action": "create"}
        await jetstream.api(self._connection, create_subject(self._stream, self._consumer, self._filters), request)
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
        if metadata.sequence <= self.last_sequence:
            return
        self.last_sequence = metadata.sequence
        if not self._queued and not self._in_hand:
            self._oldest = metadata.at
        self._queued += 1
        self._pending = metadata.pending
        place, pending = (metadata.sequence, metadata.at, subject.decode()), metadata.pending
        self._messages.put_nowait(StreamMessage(*place, payload, headers, pending, own=not is_reflected(headers)))
        self._notify()
