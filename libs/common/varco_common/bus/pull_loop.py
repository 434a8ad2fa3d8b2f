"""Pull requests to one JetStream consumer, kept going over lost pulls, missed heartbeats and reconnects."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from varco_common.base.errors import TransientError
from varco_common.bus.connection import NatsConnection
from varco_common.bus.delivery import AckMetadata, ack_metadata
from varco_common.bus.protocol import header, status

log = logging.getLogger(__name__)

EXPIRES_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0
CLUSTER_HEARTBEAT_SECONDS = 2.0  # the connection stays where a consumer's own server dies: only its silence tells
MISSED_HEARTBEATS = 2.5
_CALM = {404, 408}  # nothing there, or the pull's time is over: ask again at once
_EXHAUSTED = (b"Message Size Exceeds MaxBytes", b"Batch Completed")


class FetchBudget(NamedTuple):
    """What may be asked for now; a batch of 0 means nothing."""

    batch: int
    max_bytes: int


Arrival = Callable[[bytes, AckMetadata, bytes, bytes, bytes], None]  # subject, place, reply, headers, payload


class PullLoop:
    """Keeps one pull request open while `room` wants messages; `prepare` makes or finds the consumer.

    Each round has an inbox of its own, so that what a forgotten pull still brings can't disturb the count. With `give_back`
    that is said not to be taken (the consumer wants acknowledgements).
    """

    def __init__(
        self,
        link: NatsConnection,
        stream: str,
        prepare: Callable[[], Awaitable[str]],
        room: Callable[[], FetchBudget],
        arrived: Arrival,
        *,
        give_back: bool,
    ) -> None:
        self._link = link
        self._stream = stream
        self._prepare = prepare
        self._room = room
        self._arrived = arrived
        self._subject = ""
        self._inbox = ""
        self._sid = b""
        self._open = 0  # messages that the open pull still may bring
        self._heard = 0.0
        self._heartbeat = HEARTBEAT_SECONDS
        self._trouble = asyncio.Event()
        self._why = ""
        self._paused = False
        self._give_back = give_back

    async def run(self) -> None:
        """For ever: a round of pulls, until there is trouble; then another."""
        forget = self._link.on_reconnect(lambda: self.disturb("reconnected"))
        wait = 0.1
        try:
            while True:
                try:
                    await self._round()
                    wait = 0.1
                    continue
                except TransientError as error:
                    log.log(logging.INFO if wait < 2 else logging.WARNING, "%s: pulling again: %s", self._stream, error)
                except Exception:
                    log.exception("%s: pulling again", self._stream)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 2.0)
        finally:
            forget()
            self._end_round()

    def disturb(self, why: str) -> None:
        """Ends this round: whatever is open is forgotten and asked for again."""
        self._why = why
        self._trouble.set()

    def refill(self) -> None:
        """Asks for more where there is room and nothing is open. Cheap; called after each finished message."""
        if self._open or not self._sid:
            return
        batch, max_bytes = self._room()
        if batch <= 0:
            return
        question = {
            "batch": batch,
            "max_bytes": max(max_bytes, self._link.max_payload + 8192),  # the largest message always fits
            "expires": int(EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(self._heartbeat * 1e9),
        }
        try:
            self._link.publish(self._subject, msgspec.json.encode(question), reply=self._inbox)
        except TransientError:
            return  # the reconnect starts a new round
        self._open = batch
        self._heard = asyncio.get_running_loop().time()

    async def _round(self) -> None:
        await self._link.ready(EXPIRES_SECONDS)
        self._trouble.clear()
        self._heartbeat = CLUSTER_HEARTBEAT_SECONDS if self._link.clustered else HEARTBEAT_SECONDS
        consumer = await self._prepare()
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
        try:
            self._listen()
            await self._watch()
        finally:
            self._end_round()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._trouble.is_set():
            try:
                async with asyncio.timeout(self._heartbeat):
                    await self._trouble.wait()
            except TimeoutError:
                if self._open and loop.time() - self._heard > self._heartbeat * MISSED_HEARTBEATS:
                    log.warning("%s: heartbeats are missing: pulling again", self._stream)
                    return
                self.refill()
        if self._why:
            raise TransientError(self._why)

    def pause(self) -> None:
        """Forgets the open pull, and asks for nothing until `resume`."""
        self._paused = True
        self._hang_up()

    def resume(self) -> None:
        self._paused = False
        if self._subject and not self._sid:
            self._listen()

    def _listen(self) -> None:
        if not self._paused:
            self._inbox = self._link.inbox()
            self._sid = self._link.subscribe(self._inbox, self._got)
            self.refill()

    def _hang_up(self) -> None:
        if self._sid:
            self._link.unsubscribe(self._sid, self._late if self._give_back else None)
        self._sid = b""
        self._open = 0

    def _end_round(self) -> None:
        self._hang_up()
        self._subject = ""

    def _late(self, _subject: bytes, reply: bytes, _headers: bytes, _payload: bytes) -> None:
        """What was on its way when its pull was forgotten goes back at once, not only after the ack wait."""
        if reply.startswith(b"$JS.ACK."):
            with contextlib.suppress(TransientError):
                self._link.publish(reply.decode(), b"-NAK")

    def _got(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        if reply.startswith(b"$JS.ACK."):
            self._open -= 1
            self._arrived(subject, ack_metadata(reply), reply, headers, payload)
            if self._open <= 0:
                self._open = 0
                self.refill()
            return
        self._told(status(headers), headers)

    def _told(self, code: int, headers: bytes) -> None:
        """A status message: the pull's end or its heartbeat."""
        if code == 100:
            return
        unbrought = header(headers, b"Nats-Pending-Messages")  # of that pull; the next one may be open already
        self._open = max(self._open - int(unbrought), 0) if unbrought else 0
        line = headers[: headers.find(b"\r\n")]
        if code in _CALM or any(word in line for word in _EXHAUSTED):
            self.refill()
        else:  # 409 consumer deleted, leadership change, server shutdown; 503 nobody there
            self.disturb(line.decode(errors="replace"))
