"""Asks services to rehearse, and hears their frames: each in a process of its own, no faster than they are taken."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import NamedTuple

from msgspec.structs import replace

from varco_audit.names import NAME
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    AnyReplayFrame,
    AnyReplayQuestion,
    FrameBatch,
    Go,
    ReplayDone,
    ReplayFailed,
    VoteOutcomes,
    decode_batch,
    decode_taken,
    encode,
)

START_SECONDS = 5.0
BUSY_SECONDS = 10.0  # another one may just be coming to its end
SILENT_SECONDS = 60.0
_AGAIN_SECONDS = 0.2

OutcomePages = Callable[[int], Go]


class ServiceFrame(NamedTuple):
    """A frame, and whose it is."""

    service: str
    frame: AnyReplayFrame


async def replay_frames(
    bus: Bus, service: str, question: AnyReplayQuestion, page: OutcomePages = lambda _: Go()
) -> AsyncGenerator[AnyReplayFrame, None]:
    """The frames up to Done or Failed. Close it to end the rehearsal. `page` answers Outcomes.

    Raises TransientError where the service doesn't answer, and ConflictError where it is busy with another one.
    """
    run = new_id()
    heard: asyncio.Queue[FrameBatch] = asyncio.Queue(2)
    over = asyncio.Event()

    async def hear(payload: bytes) -> bytes:
        batch = decode_batch(payload)
        if over.is_set():
            return encode(Go(on=False))
        await heard.put(batch)
        asked = next((frame for frame in batch.frames if isinstance(frame, VoteOutcomes)), None)
        return encode(page(asked.page) if asked else Go())

    end = await bus.requests.answer(subjects.rehearsal(run), NAME, hear)
    try:
        await _begin(bus, service, replace(question, frames=subjects.rehearsal(run)))
        while True:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    batch = await heard.get()
            except TimeoutError:
                raise TransientError(f"{service} has stopped rehearsing without a word") from None
            for frame in batch.frames:
                yield frame
                if isinstance(frame, ReplayDone | ReplayFailed):
                    return
    finally:
        over.set()
        end()
        with suppress(asyncio.QueueEmpty):
            while True:
                heard.get_nowait()


async def _begin(bus: Bus, service: str, question: AnyReplayQuestion) -> None:
    until = asyncio.get_running_loop().time() + BUSY_SECONDS
    while True:
        try:
            answer = await bus.requests.ask(subjects.rehearse(service), encode(question), START_SECONDS)
        except TransientError as error:
            raise TransientError(f"{service} can't rehearse: {error}") from error
        if not (refused := decode_taken(answer).refused):
            return
        if asyncio.get_running_loop().time() > until:
            raise ConflictError(f"{service}: {refused}")
        await asyncio.sleep(_AGAIN_SECONDS)


async def merged_replay_frames(
    bus: Bus, questions: Mapping[str, AnyReplayQuestion], page: OutcomePages = lambda _: Go()
) -> AsyncGenerator[ServiceFrame, None]:
    """Several services' frames as they come, until all are done. A Failed of one ends all."""
    heard: asyncio.Queue[ServiceFrame | BaseException | None] = asyncio.Queue(1_000)

    async def one(service: str, question: AnyReplayQuestion) -> None:
        try:
            async with aclosing(replay_frames(bus, service, question, page)) as frames:
                async for frame in frames:
                    await heard.put(ServiceFrame(service, frame))
            await heard.put(None)
        except Exception as error:  # noqa: BLE001 - raised where the frames are taken
            await heard.put(error)

    tasks = [asyncio.create_task(one(*item), name=f"rehearsal of {item[0]}") for item in questions.items()]
    going = len(tasks)
    try:
        while going:
            match await heard.get():
                case None:
                    going -= 1
                case BaseException() as error:
                    raise error
                case ServiceFrame() as said:
                    yield said
                    if isinstance(said.frame, ReplayFailed):
                        return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
