"""Requests over the bus: one process asks, one of a group or every process answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from varco_common.base.errors import TransientError
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import NO_RESPONDERS, status
from varco_common.bus.reply_waiter import ReplyCollector

log = logging.getLogger(__name__)

RequestHandler = Callable[[bytes], Awaitable[bytes]]


class BusRequests:
    """Asks other services, and answers them."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, subject: str, payload: bytes, timeout: float = 2.0) -> bytes:
        """The reply of one process that answers `subject`.

        Raises TransientError if no process does, or not within `timeout` seconds.
        """
        headers, reply = await self._connection.request(subject, payload, timeout=timeout)
        if status(headers) == NO_RESPONDERS:
            raise TransientError(f"nobody answers {subject}")
        return reply

    async def ask_everyone(self, subject: str, payload: bytes, timeout: float = 0.25) -> list[bytes]:
        """The replies of all processes that answer `subject` within `timeout` seconds."""
        collector = ReplyCollector()
        await self._connection.collect(subject, payload, collector, timeout)
        return collector.payloads

    async def answer(self, subject: str, group: str, handler: RequestHandler) -> Callable[[], None]:
        """Answers requests from now on; one process of `group` gets each request.

        Each request runs in its own task. If the handler raises, there is no reply and the error
        is logged. Returns a function that ends it.
        """
        end = self.subscribe(subject, group, handler)
        await self._connection.settled()
        return end

    async def answer_everyone(self, subject: str, handler: RequestHandler) -> None:
        """Answers requests that every process answers (`everyone.*`)."""
        self.subscribe(subject, "", handler)
        await self._connection.settled()

    def subscribe(self, subject: str, group: str, handler: RequestHandler) -> Callable[[], None]:
        """As `answer`, without waiting until the server knows of the subscription."""

        async def send_reply(reply: str, payload: bytes) -> None:
            try:
                self._connection.publish(reply, await handler(payload))
            except Exception:
                log.exception("a request on %s got no reply", subject)

        def received(_subject: bytes, reply: bytes, _headers: bytes, payload: bytes) -> None:
            # What was diverted here out of a stream is no question: it wants to be acknowledged.
            if reply and not reply.startswith(b"$JS."):
                task = asyncio.create_task(send_reply(reply.decode(), payload))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        subscription = self._connection.subscribe(subject, received, group)
        return lambda: self._connection.unsubscribe(subscription)

    async def close(self) -> None:
        """Cancels the requests that are being answered."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
