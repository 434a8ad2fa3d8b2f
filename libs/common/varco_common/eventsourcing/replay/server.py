"""Takes replay questions in a running service.

A separate process answers them, so that live votes don't wait.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from varco_common.base import child_process, subjects
from varco_common.bus import Bus
from varco_common.bus.settings import WithBus
from varco_common.eventsourcing.replay.frames import QuestionReply, decode_question, encode

_BUSY = "another replay of this service is running: ask again when it has ended"


class ReplayStart(msgspec.Struct, frozen=True):
    """The first line on the standard input of a replay's process."""

    service: str
    settings: dict[str, Any]
    question: msgspec.Raw


class ReplayServer:
    """Answers `ask.<service>.rehearse` by starting a replay process, one at a time."""

    def __init__(self, service: str, module: str, settings: WithBus) -> None:
        self._service, self._module, self._settings = service, module, settings
        self._running: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def answering(cls, bus: Bus, service: str, module: str, settings: WithBus) -> AsyncIterator[None]:
        """Takes questions inside the block; a replay that is running at its end is stopped."""
        self = cls(service, module, settings)
        end = await bus.requests.answer(subjects.replay_request(service), service, self._answer)
        try:
            yield
        finally:
            end()
            if self._running:
                self._running.cancel()
                await asyncio.wait([self._running])

    async def _answer(self, payload: bytes) -> bytes:
        try:
            decode_question(payload)
        except msgspec.DecodeError as error:
            return encode(QuestionReply(refused=f"not a question: {error}"))
        if self._running and not self._running.done():
            return encode(QuestionReply(refused=_BUSY))
        start = ReplayStart(self._service, self._settings.model_dump(mode="json"), msgspec.Raw(payload))
        self._running = asyncio.create_task(self._run(start), name=f"{self._service} replay")
        return encode(QuestionReply())

    async def _run(self, start: ReplayStart) -> None:
        async with child_process.running("varco_common.eventsourcing.replay", self._module, start) as process:
            await process.wait()
