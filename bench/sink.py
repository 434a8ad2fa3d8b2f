"""The next hop of a bench: an SMTP server that accepts and counts mails, and stores none.

It runs in its own process (`python -m bench.sink`). It prints a JSON line with its ports, then a
JSON line of counts for each line on standard input. The first port is for mails, the second for
copies.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import cast

import msgspec
import uvloop

EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 209715200\r\n"
END = b"\r\n.\r\n"
OK = b"250 2.0.0 Ok\r\n"


class Count(msgspec.Struct):
    """What has arrived at one port.

    `last` is time.monotonic(), which all processes of a machine share. `open` counts the open
    connections.
    """

    mails: int = 0
    recipients: int = 0
    bytes: int = 0
    last: float = 0.0
    open: int = 0


class Ports(msgspec.Struct):
    mails: int
    copies: int


class Session(asyncio.Protocol):
    """One connection. `keep`, where given, gets each mail as it arrived, with its final dot."""

    def __init__(self, count: Count, keep: Callable[[bytes], None] | None = None) -> None:
        self._count = count
        self._keep = keep
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._recipients = 0
        self._chunks: list[bytes] | None = None  # of the body that is coming in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._transport.write(b"220 sink.test ESMTP\r\n")
        self._count.open += 1

    def connection_lost(self, _exc: Exception | None) -> None:
        self._count.open -= 1

    def data_received(self, data: bytes) -> None:
        answers: list[bytes] = []
        rest: bytes | None = data
        while rest:
            rest = self._commands(rest, answers) if self._chunks is None else self._body(rest, answers)
        if answers and self._transport:
            self._transport.write(b"".join(answers))
            if answers[-1].startswith(b"221"):
                self._transport.close()

    def _commands(self, data: bytes, answers: list[bytes]) -> bytes | None:
        """Answers whole command lines up to DATA, and returns the bytes after it."""
        data, self._rest = self._rest + data, b""
        at = 0
        while (eol := data.find(b"\n", at)) >= 0:
            verb = data[at : at + 4].upper()
            at = eol + 1
            if verb == b"DATA":
                answers.append(b"354 Go on\r\n")
                self._chunks = [b"\r\n"]  # so that an empty body ends like any other
                return data[at:]
            if verb == b"MAIL":
                self._recipients = 0
            self._recipients += verb == b"RCPT"
            answers.append(EHLO if verb == b"EHLO" else b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else OK)
        self._rest = data[at:]
        return None

    def _body(self, data: bytes, answers: list[bytes]) -> bytes | None:
        """Takes a piece of a body, and returns the bytes after its end."""
        assert self._chunks is not None
        tail = self._chunks[-1][-4:]  # the mark may lie across two pieces
        if len(tail) < 4 and len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
            tail = self._chunks[-1][-4:]
        at = (tail + data).find(END)
        if at < 0:
            self._chunks.append(data)
            return None
        end = at + len(END) - len(tail)
        self._took([*self._chunks, data[:end]])
        answers.append(OK)
        return data[end:]

    def _took(self, chunks: list[bytes]) -> None:
        self._chunks = None
        self._count.mails += 1
        self._count.recipients += self._recipients
        self._count.bytes += sum(map(len, chunks)) - 2 - 3  # without our CRLF at its begin, and the dot at its end
        self._count.last = time.monotonic()
        if self._keep:
            self._keep(b"".join(chunks)[2:])


async def listen(count: Count, port: int = 0, keep: Callable[[bytes], None] | None = None) -> asyncio.Server:
    """Returns a sink on 127.0.0.1. Port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(lambda: Session(count, keep), "127.0.0.1", port, backlog=1024)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def main(port: int) -> None:
    """Serves until standard input ends."""
    counts = [Count(), Count()]
    servers = [await listen(counts[0], port), await listen(counts[1])]
    print(msgspec.json.encode(Ports(*map(port_of, servers))).decode(), flush=True)
    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while await questions.readline():
        print(msgspec.json.encode(counts).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
