"""Pull requests to a JetStream consumer, over lost pulls, missed heartbeats and reconnects."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from varco_common.base.errors import TransientError
from varco_common.base.tasks import done_within
from varco_common.bus.connection import NatsConnection
from varco_common.bus.delivery import NAK, AckMetadata, ack_metadata
from varco_common.bus.headers import header, status

log = logging.getLogger(__name__)

EXPIRES_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0
CLUSTER_HEARTBEAT_SECONDS = 2.0  # when a consumer's server dies, the connection stays: only missing heartbeats tell
MISSED_HEARTBEATS = 2.5
RETRY_SECONDS = (0.1, 2.0)  # first and longest delay after a failure
_ACK_PREFIX = b"$JS.ACK."
_HEARTBEAT = 100
_ENDED = {404, 408}  # no messages, or the pull's time is over: pull again
_EXHAUSTED = (b"Message Size Exceeds MaxBytes", b"Batch Completed")


class FetchBudget(NamedTuple):
    """What may be asked for now; a batch of 0 means nothing."""

    batch: int
    max_bytes: int


MessageHandler = Callable[[bytes, AckMetadata, bytes, bytes, bytes], None]  # subject, metadata, reply, headers, payload


class PullLoop:
    """Keeps one pull request open while `budget` allows; `prepare` makes or finds the consumer.

    Each round has an inbox of its own, so that messages of an abandoned pull do not disturb the
    count. With `give_back` those are answered with NAK (the consumer expects acknowledgements).
    """

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        prepare: Callable[[], Awaitable[str]],
        budget: Callable[[], FetchBudget],
        handle: MessageHandler,
        *,
        give_back: bool,
    ) -> None:
        self._connection, self._stream = connection, stream
        self._prepare, self._budget, self._handle = prepare, budget, handle
        self._give_back = give_back
        self._subject = ""  # of pull requests; empty outside a round
        self._inbox = ""
        self._subscription = b""
        self._outstanding = 0  # messages that the open pull may still bring
        self._last_arrival = 0.0
        self._heartbeat = HEARTBEAT_SECONDS
        self._restart_requested = asyncio.Event()
        self._restart_reason = ""
        self._paused = False

    async def run(self) -> None:
        """Runs rounds of pulls until cancelled; a round ends when something fails."""
        stop_watching = self._connection.on_reconnect(lambda: self.restart("reconnected"))
        first, longest = RETRY_SECONDS
        delay = first
        try:
            while True:
                try:
                    await self._round()
                    delay = first
                    continue
                except TransientError as error:
                    level = logging.INFO if delay < longest else logging.WARNING
                    log.log(level, "%s: pulling again: %s", self._stream, error)
                except Exception:
                    log.exception("%s: pulling again", self._stream)
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)
        finally:
            stop_watching()
            self._end_round()

    def restart(self, reason: str) -> None:
        """Ends this round. The next round asks for the messages of the open pull again."""
        self._restart_reason = reason
        self._restart_requested.set()

    def pause(self) -> None:
        """Abandons the open pull, and asks for nothing until `resume`."""
        self._paused = True
        self._unsubscribe()

    def resume(self) -> None:
        self._paused = False
        if self._subject and not self._subscription:
            self._subscribe()

    def refill(self) -> None:
        """Asks for more if there is budget and no pull is open.

        Cheap; called after each finished message.
        """
        if self._outstanding or not self._subscription:
            return
        batch, max_bytes = self._budget()
        if batch <= 0:
            return
        request = {
            "batch": batch,
            "max_bytes": max(max_bytes, self._connection.max_payload + 8192),  # the largest message always fits
            "expires": int(EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(self._heartbeat * 1e9),
        }
        try:
            self._connection.publish(self._subject, msgspec.json.encode(request), reply=self._inbox)
        except TransientError:
            return  # the reconnect starts a new round
        self._outstanding = batch
        self._last_arrival = asyncio.get_running_loop().time()

    async def _round(self) -> None:
        await self._connection.ready(EXPIRES_SECONDS)
        self._restart_requested.clear()
        self._heartbeat = CLUSTER_HEARTBEAT_SECONDS if self._connection.clustered else HEARTBEAT_SECONDS
        consumer = await self._prepare()
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
        try:
            self._subscribe()
            await self._watch()
        finally:
            self._end_round()

    async def _watch(self) -> None:
        """Returns when heartbeats are missing. Raises TransientError at a restart."""
        loop = asyncio.get_running_loop()
        while not self._restart_requested.is_set():
            if not await done_within(self._restart_requested.wait(), self._heartbeat):
                silence = loop.time() - self._last_arrival
                if self._outstanding and silence > self._heartbeat * MISSED_HEARTBEATS:
                    log.warning("%s: heartbeats are missing: pulling again", self._stream)
                    return
                self.refill()
        raise TransientError(self._restart_reason)

    def _subscribe(self) -> None:
        if not self._paused:
            self._inbox = self._connection.new_inbox()
            self._subscription = self._connection.subscribe(self._inbox, self._received)
            self.refill()

    def _unsubscribe(self) -> None:
        if self._subscription:
            self._connection.unsubscribe(self._subscription, self._received_late if self._give_back else None)
        self._subscription = b""
        self._outstanding = 0

    def _end_round(self) -> None:
        self._unsubscribe()
        self._subject = ""

    def _received_late(self, _subject: bytes, reply: bytes, _headers: bytes, _payload: bytes) -> None:
        """Returns a message of an abandoned pull at once.

        It would come again only after the ack wait.
        """
        if reply.startswith(_ACK_PREFIX):
            with contextlib.suppress(TransientError):
                self._connection.publish(reply.decode(), NAK)

    def _received(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._last_arrival = asyncio.get_running_loop().time()
        if not reply.startswith(_ACK_PREFIX):
            return self._status_received(status(headers), headers)
        self._outstanding -= 1
        self._handle(subject, ack_metadata(reply), reply, headers, payload)
        if self._outstanding <= 0:
            self._outstanding = 0
            self.refill()
        return None

    def _status_received(self, code: int, headers: bytes) -> None:
        """A heartbeat, or the end of a pull."""
        if code == _HEARTBEAT:
            return
        undelivered = header(headers, b"Nats-Pending-Messages")  # of that pull; the next one may be open already
        self._outstanding = max(self._outstanding - int(undelivered), 0) if undelivered else 0
        line = headers[: headers.find(b"\r\n")]
        if code in _ENDED or any(words in line for words in _EXHAUSTED):
            self.refill()
        else:  # 409: consumer deleted, leader changed, server shuts down; 503: no responders
            self.restart(line.decode(errors="replace"))
