"""Asks services to replay decisions, and receives their frames.

Each service answers from a process of its own (ADR 22), no faster than its frames are read.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import NamedTuple

from msgspec.structs import replace

from varco_audit.merging import merged
from varco_audit.names import NAME
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    AnyReplayFrame,
    AnyReplayQuestion,
    BatchReply,
    FrameBatch,
    ReplayDone,
    ReplayFailed,
    VoteOutcomes,
    decode_batch,
    decode_question_reply,
    encode,
)

_START_SECONDS = 5.0
_BUSY_SECONDS = 10.0  # another replay may be about to end
_BUSY_RETRY_SECONDS = 0.2
_SILENT_SECONDS = 60.0
_QUEUED_BATCHES = 2

OutcomePages = Callable[[int], BatchReply]
"""Returns the outcomes that a staged replay asks for, by the number of the page."""


class ServiceFrame(NamedTuple):
    """A frame, and the service that sent it."""

    service: str
    frame: AnyReplayFrame


def no_outcomes(_: int) -> BatchReply:
    """For replays that are not staged."""
    return BatchReply()


async def replay_frames(
    bus: Bus, service: str, question: AnyReplayQuestion, outcomes: OutcomePages = no_outcomes
) -> AsyncGenerator[AnyReplayFrame, None]:
    """The frames up to ReplayDone or ReplayFailed. To close the generator ends the replay.

    Raises TransientError if the service does not answer, ConflictError if it is busy with another
    replay.
    """
    run = new_id()
    batches: asyncio.Queue[FrameBatch] = asyncio.Queue(_QUEUED_BATCHES)
    closed = asyncio.Event()

    async def receive(payload: bytes) -> bytes:
        batch = decode_batch(payload)
        if closed.is_set():
            return encode(BatchReply(on=False))
        await batches.put(batch)
        asked = next((frame for frame in batch.frames if isinstance(frame, VoteOutcomes)), None)
        return encode(outcomes(asked.page) if asked else BatchReply())

    unsubscribe = await bus.requests.answer(subjects.replay_frames(run), NAME, receive)
    try:
        await _start(bus, service, replace(question, frames=subjects.replay_frames(run)))
        while True:
            try:
                async with asyncio.timeout(_SILENT_SECONDS):
                    batch = await batches.get()
            except TimeoutError:
                raise TransientError(f"{service} sends no more frames of the replay") from None
            for frame in batch.frames:
                yield frame
                if isinstance(frame, ReplayDone | ReplayFailed):
                    return
    finally:
        closed.set()
        unsubscribe()
        while not batches.empty():  # lets a `receive` that waits go on
            batches.get_nowait()


async def _start(bus: Bus, service: str, question: AnyReplayQuestion) -> None:
    until = asyncio.get_running_loop().time() + _BUSY_SECONDS
    while True:
        try:
            answer = await bus.requests.ask(subjects.replay_request(service), encode(question), _START_SECONDS)
        except TransientError as error:
            raise TransientError(f"{service} can't replay: {error}") from error
        if not (refused := decode_question_reply(answer).refused):
            return
        if asyncio.get_running_loop().time() > until:
            raise ConflictError(f"{service}: {refused}")
        await asyncio.sleep(_BUSY_RETRY_SECONDS)


async def merged_replay_frames(
    bus: Bus, questions: Mapping[str, AnyReplayQuestion], outcomes: OutcomePages = no_outcomes
) -> AsyncGenerator[ServiceFrame, None]:
    """The frames of several services as they come, until all are done or one has failed."""

    async def frames_of(service: str, question: AnyReplayQuestion) -> AsyncGenerator[ServiceFrame, None]:
        async with aclosing(replay_frames(bus, service, question, outcomes)) as frames:
            async for frame in frames:
                yield ServiceFrame(service, frame)

    async with aclosing(merged(*(frames_of(*item) for item in questions.items()))) as frames:
        async for frame in frames:
            yield frame
            if isinstance(frame.frame, ReplayFailed):
                return
