"""The NATS client protocol over one TCP connection: a parser, and one write for each turn of the event loop."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, cast

import msgspec

log = logging.getLogger(__name__)

_M, _H, _P, _I, _MINUS = b"MHPI-"

Handler = Callable[[bytes, bytes, bytes, bytes], None]  # subject, reply, headers (with the NATS/1.0 line), payload


class ProtocolListener(Protocol):
    """Who is told what happens on the wire."""

    handlers: dict[bytes, Handler]

    def informed(self, wire: "NatsProtocol", info: bytes) -> None: ...
    def ponged(self) -> None: ...
    def complained(self, text: str) -> None: ...
    def lost(self, wire: "NatsProtocol", error: Exception | None) -> None: ...


class ServerInfo(msgspec.Struct, frozen=True):
    """What the server says of itself that matters here. `max_payload` counts header and payload, in bytes.

    `connect_urls` are the addresses of all servers of its cluster, itself included, that it knows to be there.
    """

    max_payload: int = 1_048_576
    tls_required: bool = False
    connect_urls: tuple[str, ...] = ()


class NatsProtocol(asyncio.Protocol):
    """One connection, from connect to loss. It never reconnects: `Connection` makes a new one."""

    def __init__(self, listener: ProtocolListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = 1
        self.writable = asyncio.Event()
        self.writable.set()
        self.heard = 0.0

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it
        self._transport.set_write_buffer_limits(high=4 * 1024 * 1024)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.writable.set()  # whoever waits to write is let go, and finds the connection gone
        self._listener.lost(self, exc)

    def data_received(self, data: bytes) -> None:
        self._have += len(data)
        if self._have < self._need:  # a large message: its pieces are joined once, when all are here
            self._chunks.append(data)
            return
        if self._chunks:
            data = b"".join([*self._chunks, data])
            self._chunks.clear()
        if rest := data[self._parse(data) :]:
            self._chunks.append(rest)
        self._have = len(rest)

    # what the connection calls

    def write(self, *pieces: bytes) -> None:
        """Queues the pieces; all that is queued in this turn of the loop goes out in one write."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += pieces

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def close(self) -> None:
        """Writes what is queued, then closes."""
        self._flush()
        if self._transport:
            self._transport.close()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport and out:
            self._transport.writelines(out)

    def _parse(self, data: bytes) -> int:
        """Hands on every whole message; returns how much of `data` is done with, and sets what is needed to go on."""
        at, end, handlers = 0, len(data), self._listener.handlers
        while (eol := data.find(b"\r\n", at)) >= 0:
            first = data[at]
            start = eol + 2
            if first in (_M, _H):
                words = data[at:eol].split(b" ")
                stop = start + int(words[-1])
                if stop + 2 > end:
                    self._need = stop + 2 - at
                    return at
                at = self._message(handlers, words, data, start, stop, headed=first == _H)
                continue
            self._other(first, data[at:eol])
            at = start
        self._need = end - at + 1
        return at

    def _message(
        self, handlers: dict[bytes, Handler], words: list[bytes], data: bytes, start: int, stop: int, *, headed: bool
    ) -> int:
        """`MSG subject sid [reply] size` or `HMSG subject sid [reply] header-size size`; returns where it ends."""
        handler = handlers.get(words[2])
        if handler is not None:
            body = start + int(words[-2]) if headed else start
            reply = words[3] if len(words) > (5 if headed else 4) else b""
            try:
                handler(words[1], reply, data[start:body], data[body:stop])
            except Exception:  # one message's trouble must not cost the connection, and all that waits on it
                log.exception("a message on %s was not handled", words[1].decode(errors="replace"))
        return stop + 2

    def _other(self, first: int, line: bytes) -> None:
        if first == _P and line == b"PING":
            self.write(b"PONG\r\n")
        elif first == _P:
            self._listener.ponged()
        elif first == _I:
            self._listener.informed(self, line[5:])
        elif first == _MINUS:
            self._listener.complained(line[5:].decode(errors="replace").strip("'"))


def header(headers: bytes, name: bytes) -> bytes:
    """The first value of a header field; empty where there is none. Names are compared as they are spelled."""
    at = headers.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    return headers[start : headers.find(b"\r\n", start)].strip()


def is_reflected(headers: bytes) -> bool:
    """Whether a stored message is the server's answer to a question about a stream, and nobody's own word.

    NATS checks what a user publishes, not where it wants its answers: one who may read EVENTS could have a message from
    there answered to any subject, and so into a stream that it may not write.
    """
    return b"\r\nNats-Stream:" in headers


def status(headers: bytes) -> int:
    """The status code that a server put on a message's first header line, such as 503; 0 where there is none."""
    code = headers[9:12]
    return int(code) if code.isdigit() else 0


def headers_of(*fields: tuple[str, str]) -> bytes:
    """A header block of ASCII fields. Values must not hold CR or LF."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return b"NATS/1.0\r\n" + lines.encode("ascii") + b"\r\n"


def nanoseconds(stamp: str) -> int:
    """An RFC 3339 time in UTC, as the server writes it, in nanoseconds since 1970."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1_000_000_000 + int(f"{fraction:0<9}")
