"""Requests over the bus: one process asks, one of a group or every process answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from varco_common.base.errors import TransientError
from varco_common.bus.connection import NatsConnection
from varco_common.bus.protocol import status

log = logging.getLogger(__name__)

RequestHandler = Callable[[bytes], Awaitable[bytes]]


class ReplyCollector:
    """Collects replies until the time is over."""

    __slots__ = ("done", "found")

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self.found: list[bytes] = []
        self.done = done

    def got(self, headers: bytes, payload: bytes) -> None:
        if headers and status(headers) == 503:  # nobody is there
            self.lost()
        else:
            self.found.append(payload)

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Requests:
    """Asks other services, and answers them."""

    def __init__(self, link: NatsConnection) -> None:
        self._link = link
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, subject: str, payload: bytes, timeout: float = 2.0) -> bytes:
        """The reply of one process that answers `subject`.

        Raises TransientError if no process does, or not within `timeout` seconds.
        """
        headers, reply = await self._link.request(subject, payload, timeout=timeout)
        if status(headers) == 503:
            raise TransientError(f"nobody answers {subject}")
        return reply

    async def ask_everyone(self, subject: str, payload: bytes, timeout: float = 0.25) -> list[bytes]:
        """The replies of all processes that answer `subject` within `timeout` seconds."""
        loop = asyncio.get_running_loop()
        collector = ReplyCollector(loop.create_future())
        token = self._link.wait_at(collector)
        timer = loop.call_later(timeout, collector.lost)
        try:
            self._link.publish(subject, payload, token=token)
            await collector.done
        finally:
            timer.cancel()
            self._link.leave(token)
        return collector.found

    async def answer(self, subject: str, group: str, handler: RequestHandler) -> Callable[[], None]:
        """Answers requests from now on; one process of `group` gets each request.

        Each request runs in its own task. If the handler raises, there is no reply and the error
        is logged. Returns a function that ends it.
        """
        end = self.subscribe(subject, group, handler)
        await self._link.settled()
        return end

    async def answer_everyone(self, subject: str, handler: RequestHandler) -> None:
        """Answers requests that every process answers (`everyone.*`)."""
        self.subscribe(subject, "", handler)
        await self._link.settled()

    def subscribe(self, subject: str, group: str, handler: RequestHandler) -> Callable[[], None]:
        """As `answer`, without waiting until the server knows of the subscription."""

        async def reply_to(reply: str, payload: bytes) -> None:
            try:
                self._link.publish(reply, await handler(payload))
            except Exception:
                log.exception("no answer to a question on %s", subject)

        def received(_subject: bytes, reply: bytes, _headers: bytes, payload: bytes) -> None:
            if reply:
                task = asyncio.create_task(reply_to(reply.decode(), payload))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        sid = self._link.subscribe(subject, received, group)
        return lambda: self._link.unsubscribe(sid)

    async def close(self) -> None:
        """Cancels the requests that are being answered."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
