"""What a rehearsal says goes out in batches, each of which must be answered: so it is never faster than it is heard."""

from time import monotonic

from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import AnyReplayFrame, FrameBatch, Go, ReplayProgress, decode_go, encode

BATCH = 200
LINGER_SECONDS = 0.4
HEARD_SECONDS = 30.0  # who doesn't answer for so long listens no more


class ReceiverGone(Exception):
    """Nobody listens any more."""


class ResultStream:
    """One rehearsal's way to whoever asked. `say` gathers, `flush` sends; both raise Unheard."""

    def __init__(self, bus: Bus, subject: str, service: str) -> None:
        self._bus, self._subject, self._service = bus, subject, service
        self._frames: list[AnyReplayFrame] = []
        self._sent = monotonic()

    async def say(self, frame: AnyReplayFrame) -> None:
        self._frames.append(frame)
        if len(self._frames) >= BATCH or self.due:
            await self.flush()

    @property
    def due(self) -> bool:
        """Whether whoever listens should hear how far it is."""
        return monotonic() - self._sent > LINGER_SECONDS

    async def progress(self, frame: ReplayProgress) -> None:
        """Said where nothing was for a while."""
        if self.due:
            await self.say(frame)

    async def flush(self) -> Go:
        """Sends what has gathered; the answer."""
        frames, self._frames = self._frames, []
        try:
            batch = encode(FrameBatch(self._service, frames))
            go = decode_go(await self._bus.requests.ask(self._subject, batch, HEARD_SECONDS))
        except TransientError as error:
            raise ReceiverGone(str(error)) from error
        if not go.on:
            raise ReceiverGone("told to stop")
        self._sent = monotonic()
        return go

    async def ask(self, frame: AnyReplayFrame) -> Go:
        """Says it at once, after all that was said before; the answer."""
        self._frames.append(frame)
        return await self.flush()
