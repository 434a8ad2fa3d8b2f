"""Delivers a parked record once more.

JetStream considers a parked record acknowledged, so the record comes by a request instead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

RedeliveryOutcome = Literal["done", "parked", "not now", "in hand", "gone", "no such consumer"]
REDELIVER = "redeliver"
WAIT_SECONDS = 20.0


class RedeliveryRequest(msgspec.Struct, frozen=True):
    """The request `ask.<service>.redeliver`: a record of MAIL for this durable consumer."""

    consumer: str
    sequence: int


class RedeliveryResult(msgspec.Struct, frozen=True):
    """The reply. `why` is empty if the outcome is done."""

    outcome: RedeliveryOutcome
    why: str = ""


Redeliver = Callable[[int], Awaitable[RedeliveryResult]]


class Redeliveries:
    """The durable consumers that are open on one connection, by name."""

    def __init__(self) -> None:
        self._consumers: dict[str, Redeliver] = {}
        self._one_at_a_time = asyncio.Lock()

    def add(self, consumer: str, redeliver: Redeliver) -> None:
        self._consumers[consumer] = redeliver

    def remove(self, consumer: str) -> None:
        self._consumers.pop(consumer, None)

    async def answer(self, payload: bytes) -> bytes:
        """Answers one request at a time, so that a second one for the same record finds it done."""
        request = msgspec.json.decode(payload, type=RedeliveryRequest)
        async with self._one_at_a_time:
            redeliver = self._consumers.get(request.consumer)
            result = await redeliver(request.sequence) if redeliver else RedeliveryResult("no such consumer")
        return msgspec.json.encode(result)
