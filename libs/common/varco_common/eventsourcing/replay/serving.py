"""How a running service takes a question: a process of its own carries it out, so that live votes don't wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from varco_common.base import child_process, subjects
from varco_common.bus import Bus
from varco_common.bus.settings import WithBus
from varco_common.eventsourcing.replay.frames import Taken, decode_question, encode

_BUSY = "another rehearsal of this service is going on: ask again when it has ended"


class ReplayStart(msgspec.Struct, frozen=True):
    """What the process is told on its standard input, in one line."""

    service: str
    settings: dict[str, Any]
    question: msgspec.Raw


class ReplayServer:
    """Answers `ask.<service>.rehearse` by starting `python -m varco_common.eventsourcing.replay <module>`, one at a time."""

    def __init__(self, service: str, module: str, settings: WithBus) -> None:
        self._service, self._module, self._settings = service, module, settings
        self._running: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def answering(cls, bus: Bus, service: str, module: str, settings: WithBus) -> AsyncIterator[None]:
        """Inside the block; what still goes on at its end is ended."""
        self = cls(service, module, settings)
        end = await bus.requests.answer(subjects.rehearse(service), service, self._asked)
        try:
            yield
        finally:
            end()
            if self._running:
                self._running.cancel()
                await asyncio.wait([self._running])

    async def _asked(self, payload: bytes) -> bytes:
        try:
            decode_question(payload)
        except msgspec.DecodeError as error:
            return encode(Taken(refused=f"not a question: {error}"))
        if self._running and not self._running.done():
            return encode(Taken(refused=_BUSY))
        start = ReplayStart(self._service, self._settings.model_dump(mode="json"), msgspec.Raw(payload))
        self._running = asyncio.create_task(self._run(start), name=f"{self._service} rehearsal")
        return encode(Taken())

    async def _run(self, start: ReplayStart) -> None:
        async with child_process.running("varco_common.eventsourcing.replay", self._module, start) as process:
            await process.wait()
