"""Questions over the bus: one asks, one of a group answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from varco_common.bus.connection import Connection
from varco_common.bus.wire import status
from varco_common.errors import TransientError

log = logging.getLogger(__name__)

Answerer = Callable[[bytes], Awaitable[bytes]]


async def ask(link: Connection, subject: str, payload: bytes, timeout: float) -> bytes:
    headers, answer = await link.request(subject, payload, timeout=timeout)
    if status(headers) == 503:
        raise TransientError(f"nobody answers {subject}")
    return answer


def answer(
    link: Connection, subject: str, group: str, *, handler: Answerer, tasks: set[asyncio.Task[None]]
) -> Callable[[], None]:
    """Each question has its own task, kept in `tasks`. A handler that raises gives no answer, and is logged.

    Returns what ends it.
    """

    async def one(reply: str, payload: bytes) -> None:
        try:
            link.publish(reply, await handler(payload))
        except Exception:
            log.exception("no answer to a question on %s", subject)

    def asked(_subject: bytes, reply: bytes, _headers: bytes, payload: bytes) -> None:
        if reply:
            task = asyncio.create_task(one(reply.decode(), payload))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    sid = link.subscribe(subject, asked, group)
    return lambda: link.unsubscribe(sid)


class Answers:
    """What everybody says until the time is over."""

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


async def ask_everyone(link: Connection, subject: str, payload: bytes, timeout: float) -> list[bytes]:
    loop = asyncio.get_running_loop()
    answers = Answers(loop.create_future())
    token = link.wait_at(answers)
    timer = loop.call_later(timeout, answers.lost)
    try:
        link.publish(subject, payload, token=token)
        await answers.done
    finally:
        timer.cancel()
        link.leave(token)
    return answers.found
