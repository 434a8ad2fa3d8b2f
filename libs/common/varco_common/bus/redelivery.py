"""A parked record once more to the consumer that parked it, and to no other: over the bus, past the stream's own account."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

RedeliveryOutcome = Literal["done", "parked", "not now", "in hand", "gone", "no such consumer"]
REDELIVER = "redeliver"
WAIT_SECONDS = 20.0


class RedeliveryRequest(msgspec.Struct, frozen=True):
    """The question `ask.<service>.redeliver`: a record of MAIL, for this durable consumer."""

    consumer: str
    sequence: int


class RedeliveryResult(msgspec.Struct, frozen=True):
    """The answer: what came of it. `why` where it isn't done."""

    outcome: RedeliveryOutcome
    why: str = ""


Redeliver = Callable[[int], Awaitable[RedeliveryResult]]


class Redeliveries:
    """The open pullers of one connection, by the name of their durable consumer."""

    def __init__(self) -> None:
        self._known: dict[str, Redeliver] = {}
        self._turn = asyncio.Lock()

    def add(self, consumer: str, redeliver: Redeliver) -> None:
        self._known[consumer] = redeliver

    def remove(self, consumer: str) -> None:
        self._known.pop(consumer, None)

    async def answer(self, payload: bytes) -> bytes:
        """One at a time: who asks twice finds the second time that it is done."""
        asked = msgspec.json.decode(payload, type=RedeliveryRequest)
        async with self._turn:
            known = self._known.get(asked.consumer)
            found = await known(asked.sequence) if known else RedeliveryResult("no such consumer")
        return msgspec.json.encode(found)
