"""Several filters of a stream as one: a consumer for each, put in the order of the stream.

NATS checks which subjects a user may read if a consumer has one filter (`create_subject`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Self

from varco_common.base.tasks import retry_until_available
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus.connection import NatsConnection
from varco_common.bus.consumer_lag import ConsumerLag, FollowerName, consumer_lags, default_name
from varco_common.bus.jetstream import StreamMessage
from varco_common.bus.ordered_consumer import OrderedConsumer

LastSequence = Callable[[str], Awaitable[int]]


class _Source:
    """One filter. None of its messages up to `complete` is still on its way."""

    def __init__(self, subject_filter: str, consumer: OrderedConsumer) -> None:
        self.filter, self.consumer = subject_filter, consumer
        self.complete = 0
        self.head: StreamMessage | None = None

    @property
    def arrived(self) -> int:
        """The sequence of its newest message here."""
        return self.consumer.last_sequence

    def has_head(self) -> bool:
        """Whether its next message is at hand."""
        self.head = self.head or self.consumer.next_arrived()
        return self.head is not None

    @property
    def earliest(self) -> int:
        """Its next message has this sequence or a later one."""
        return self.head.sequence if self.has_head() and self.head else max(self.complete, self.arrived) + 1

    def may_precede(self, sequence: int) -> bool:
        """Whether a message before `sequence` may still be on its way."""
        return not self.has_head() and self.earliest <= sequence


class MergedConsumer:
    """Messages of `stream` after sequence `after`, each once, in order, without a gap, for ever.

    A message is handed out when no other filter can have an earlier one: `last_sequence` asks the
    stream. `filters` must not overlap.
    """

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        filters: Iterable[str],
        after: int,
        last_sequence: LastSequence,
    ) -> None:
        self._arrival = asyncio.Event()
        self._last_sequence = last_sequence
        self._sources = [
            _Source(each, OrderedConsumer(connection, stream, (each,), after, notify=self._arrival.set))
            for each in filters
        ]
        self._ahead: _Source | None = None  # its messages before `_free` precede those of all others
        self._free = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        connection: NatsConnection,
        stream: str,
        filters: tuple[str, ...],
        after: int,
        last_sequence: LastSequence,
        *,
        name: str = "",
    ) -> AsyncIterator[Self]:
        """Pulls inside the block. `name` labels its lag in the metrics."""
        self = cls(connection, stream, dict.fromkeys(filters), after, last_sequence)
        follower = FollowerName(connection.name, stream, name or default_name(filters))
        async with contextlib.AsyncExitStack() as stack:
            for source in self._sources:
                await stack.enter_async_context(source.consumer.pulling())
            with consumer_lags.shown(follower, self._lag):
                yield self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamMessage:
        ahead = self._ahead
        if ahead and ahead.has_head() and _next_sequence(ahead) < self._free:
            return self._hand_out(ahead)
        return self._hand_out(await self._first())

    async def _first(self) -> _Source:
        """The source whose next message is the next of all."""
        while True:
            self._arrival.clear()
            heads = [source for source in self._sources if source.has_head()]
            first = min(heads, key=_next_sequence, default=None)
            if first is None:
                await self._arrival.wait()
            elif late := [source for source in self._sources if source.may_precede(_next_sequence(first))]:
                await self._wait_for(late)
            else:
                others = (source.earliest for source in self._sources if source is not first)
                self._ahead, self._free = first, min(others, default=MAX_SEQUENCE)
                return first

    async def _wait_for(self, late: list[_Source]) -> None:
        """Returns when each of them has its next message, or is known to have none so far."""
        newest = max(source.arrived for source in self._sources)
        for source, last in zip(late, await self._last(late), strict=True):
            while source.arrived < last and not source.has_head():
                self._arrival.clear()
                await self._arrival.wait()
            if source.arrived >= last:
                source.complete = newest

    async def _last(self, sources: list[_Source]) -> list[int]:
        """The last sequence of each. Waits while the bus is away, as the consumers do."""
        questions = (partial(self._last_sequence, source.filter) for source in sources)
        return await asyncio.gather(
            *(retry_until_available(question, "the bus is asked again") for question in questions)
        )

    def _hand_out(self, source: _Source) -> StreamMessage:
        message, source.head = source.head, None
        assert message
        return message._replace(pending=sum([each.consumer.records for each in self._sources]) - 1)

    def _lag(self) -> ConsumerLag:
        lags = [source.consumer.lag() for source in self._sources]
        return ConsumerLag(
            sum(lag.records for lag in lags), min((lag.oldest for lag in lags if lag.records), default=0)
        )


def _next_sequence(source: _Source) -> int:
    return source.head.sequence if source.head else 0
