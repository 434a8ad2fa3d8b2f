"""Waiters for replies: one for a single reply, one for every reply until a deadline."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

from varco_common.base.errors import TransientError
from varco_common.bus.headers import NO_RESPONDERS, status


class ReplyWaiter(Protocol):
    """Gets the replies to one token of the connection's inbox."""

    def reply(self, headers: bytes, payload: bytes) -> None: ...
    def lost(self) -> None:
        """The connection is lost: no reply will come."""


class SingleReply:
    """Waits for exactly one reply."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[tuple[bytes, bytes]]") -> None:
        self.future = future

    def reply(self, headers: bytes, payload: bytes) -> None:
        if not self.future.done():
            self.future.set_result((headers, payload))

    def lost(self) -> None:
        if not self.future.done():
            self.future.set_exception(TransientError("the bus went away before it answered"))

    def time_out(self) -> None:
        if not self.future.done():
            self.future.set_exception(TransientError("the bus didn't answer in time"))


class Collector(ABC):
    """Waits for several replies:

    `done` is set when they are complete, the time is over, or the connection is lost.
    """

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @abstractmethod
    def reply(self, headers: bytes, payload: bytes) -> None: ...

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class ReplyCollector(Collector):
    """Collects the payloads of all replies until the time is over."""

    __slots__ = ("payloads",)

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []

    def reply(self, headers: bytes, payload: bytes) -> None:
        if headers and status(headers) == NO_RESPONDERS:
            self.lost()
        else:
            self.payloads.append(payload)
