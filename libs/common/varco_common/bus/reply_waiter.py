"""Who waits for what: answers at the inbox, and subscriptions that outlive a connection."""

import asyncio
from typing import Protocol

from varco_common.base.errors import TransientError


class ReplyWaiter(Protocol):
    """Who waits for answers at one token of the inbox."""

    def got(self, headers: bytes, payload: bytes) -> None: ...
    def lost(self) -> None: ...


class SingleReply:
    """A waiter for exactly one answer."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[tuple[bytes, bytes]]") -> None:
        self.future = future

    def got(self, headers: bytes, payload: bytes) -> None:
        if not self.future.done():
            self.future.set_result((headers, payload))

    def lost(self) -> None:
        if not self.future.done():
            self.future.set_exception(TransientError("the bus went away before it answered"))

    def late(self) -> None:
        if not self.future.done():
            self.future.set_exception(TransientError("the bus didn't answer in time"))


class Subscription:
    """One subscription, renewed at each reconnect."""

    __slots__ = ("group", "subject")

    def __init__(self, subject: str, group: str) -> None:
        self.subject = subject
        self.group = group

    def line(self, sid: bytes) -> bytes:
        return b"SUB %s %s %s\r\n" % (self.subject.encode(), self.group.encode(), sid)
