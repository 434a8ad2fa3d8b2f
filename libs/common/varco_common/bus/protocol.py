"""The NATS client protocol over one TCP connection: a parser and batched writes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

import msgspec

log = logging.getLogger(__name__)

_M, _H, _P, _I, _MINUS = b"MHPI-"

Handler = Callable[[bytes, bytes, bytes, bytes], None]  # subject, reply, headers (with the NATS/1.0 line), payload


class ProtocolListener(Protocol):
    """Gets what arrives on a connection; `handlers` has the handler of each subscription id."""

    handlers: dict[bytes, Handler]

    def info_received(self, protocol: "NatsProtocol", info: bytes) -> None: ...
    def pong_received(self) -> None: ...
    def error_received(self, text: str) -> None: ...
    def connection_lost(self, protocol: "NatsProtocol", error: Exception | None) -> None: ...


class ServerInfo(msgspec.Struct, frozen=True):
    """The fields of the server's INFO that matter here.

    `max_payload` counts header and payload, in bytes.

    `connect_urls` are the addresses of all running servers of its cluster, itself included.
    """

    max_payload: int = 1_048_576
    connect_urls: tuple[str, ...] = ()


class NatsProtocol(asyncio.Protocol):
    """One TCP connection, from connect to loss. ServerSession makes a new one to reconnect."""

    def __init__(self, listener: ProtocolListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._outgoing: list[bytes] = []
        self._incoming: list[bytes] = []
        self._received = 0  # bytes in `_incoming`
        self._needed = 1  # bytes that the next message needs
        self.writable = asyncio.Event()
        self.writable.set()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass
        self._transport.set_write_buffer_limits(high=4 * 1024 * 1024)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.writable.set()  # writers go on, and find the connection gone
        self._listener.connection_lost(self, exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received < self._needed:  # a large message is joined once, when all of it is here
            self._incoming.append(data)
            return
        if self._incoming:
            data = b"".join([*self._incoming, data])
            self._incoming.clear()
        if rest := data[self._parse(data) :]:
            self._incoming.append(rest)
        self._received = len(rest)

    # what the connection calls

    def write(self, *pieces: bytes) -> None:
        """Queues the pieces. One write sends all that is queued in this turn of the event loop."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing += pieces

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def close(self) -> None:
        """Writes what is queued, then closes."""
        self._flush()
        if self._transport:
            self._transport.close()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport and outgoing:
            self._transport.writelines(outgoing)

    def _parse(self, data: bytes) -> int:
        """Handles every whole message and returns where the rest begins; sets `_needed` for it."""
        at, end, handlers = 0, len(data), self._listener.handlers
        while (eol := data.find(b"\r\n", at)) >= 0:
            first = data[at]
            start = eol + 2
            if first in (_M, _H):
                words = data[at:eol].split(b" ")
                stop = start + int(words[-1])
                if stop + 2 > end:
                    self._needed = stop + 2 - at
                    return at
                at = self._message(handlers, words, data, start, stop, headed=first == _H)
                continue
            self._other(first, data[at:eol])
            at = start
        self._needed = end - at + 1
        return at

    def _message(
        self, handlers: dict[bytes, Handler], words: list[bytes], data: bytes, start: int, stop: int, *, headed: bool
    ) -> int:
        """`MSG subject sid [reply] size` or `HMSG subject sid [reply] header-size size`."""
        handler = handlers.get(words[2])
        if handler is not None:
            body = start + int(words[-2]) if headed else start
            reply = words[3] if len(words) > (5 if headed else 4) else b""
            try:
                handler(words[1], reply, data[start:body], data[body:stop])
            except Exception:  # a bug in one handler must not cost the connection
                log.exception("a message on %s was not handled", words[1].decode(errors="replace"))
        return stop + 2

    def _other(self, first: int, line: bytes) -> None:
        if first == _P and line == b"PING":
            self.write(b"PONG\r\n")
        elif first == _P:
            self._listener.pong_received()
        elif first == _I:
            self._listener.info_received(self, line[5:])
        elif first == _MINUS:
            self._listener.error_received(line[5:].decode(errors="replace").strip("'"))
