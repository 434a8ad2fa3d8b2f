"""Sends the results of a replay in batches.

The receiver answers each batch, so a replay never runs ahead of it.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from time import monotonic

from varco_common.base.errors import TransientError
from varco_common.bus import Bus, StoredEvent, UnreadableEvent
from varco_common.eventsourcing.replay.frames import (
    AnyReplayFrame,
    BatchReply,
    FrameBatch,
    UnreadableMail,
    decode_batch_reply,
    encode,
)

_BATCH = 200
_LINGER_SECONDS = 0.4  # a person who watches sees progress twice a second
_REPLY_SECONDS = 30.0  # a receiver that does not answer for this long is gone


class ReceiverGone(Exception):
    """The receiver does not answer, or asked to stop."""


class ResultStream:
    """The results of one replay on their way to the asker. All methods raise ReceiverGone."""

    def __init__(self, bus: Bus, subject: str, service: str) -> None:
        self._bus, self._subject, self._service = bus, subject, service
        self._frames: list[AnyReplayFrame] = []
        self._sent = monotonic()

    async def add(self, frame: AnyReplayFrame) -> None:
        """Sends the frame with the next batch."""
        self._frames.append(frame)
        if len(self._frames) >= _BATCH or self.due:
            await self.flush()

    @property
    def due(self) -> bool:
        """Whether nothing was sent for a while.

        The receiver would like to know that the replay is at work.
        """
        return monotonic() - self._sent > _LINGER_SECONDS

    async def flush(self) -> BatchReply:
        """Sends all frames that wait, if only to show that the replay is at work."""
        frames, self._frames = self._frames, []
        try:
            batch = encode(FrameBatch(self._service, frames))
            reply = decode_batch_reply(await self._bus.requests.ask(self._subject, batch, _REPLY_SECONDS))
        except TransientError as error:
            raise ReceiverGone(str(error)) from error
        if not reply.on:
            raise ReceiverGone("told to stop")
        self._sent = monotonic()
        return reply

    async def send(self, frame: AnyReplayFrame) -> BatchReply:
        """Sends the frame at once, behind those that wait."""
        self._frames.append(frame)
        return await self.flush()


async def read_settings(
    bus: Bus, filters: Sequence[str], last: int, results: ResultStream, apply: Callable[[StoredEvent], None]
) -> None:
    """Applies all events up to `last`, and reports those that can't be decoded."""
    async with aclosing(bus.events.read(*filters, last=last)) as events:
        async for stored in events:
            if isinstance(stored, UnreadableEvent):
                await results.add(UnreadableMail(sequence=stored.sequence, why=stored.why))
            else:
                apply(stored)
            if results.due:
                await results.flush()
