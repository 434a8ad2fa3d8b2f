"""The load generator. It speaks SMTP as bytes, so that it costs far less than a gate.

It runs in its own process (`python -m bench.load HOST PORT`), with a Workload as JSON on standard
input and a Sent as JSON on standard output. Commands go out one at a time, as most mail clients
send them.
"""

import asyncio
import contextlib
import gc
import resource
import sys
import time
from collections import Counter
from typing import cast

import msgspec
import uvloop

from bench.mails import Mails
from bench.workloads import Workload

clock = time.monotonic
SECONDS = 120.0  # of one run, at most


class Sent(msgspec.Struct, kw_only=True):
    """What became of a run.

    `codes` counts each mail's final answer (0: connection lost or no time left).

    `latencies` are seconds from the end of data (from MAIL, where a mail was refused before its
    body) to the answer. `begin` and `last` are time.monotonic() of the first connect and the last
    answer; `cpu` the generator's own seconds.
    """

    codes: dict[int, int]
    latencies: list[float]
    begin: float
    last: float
    cpu: float

    @property
    def accepted(self) -> int:
        return self.codes.get(250, 0)


class Run:
    """The mails that are still to be sent, and the outcomes of the others."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.mails = Mails(workload)
        self.next = 0
        self.codes: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.last = 0.0

    def take(self) -> int | None:
        """Returns the number of the next mail; None where none is left."""
        if self.next >= self.workload.mails:
            return None
        self.next += 1
        return self.next - 1

    def answered(self, code: int, seconds: float) -> None:
        self.codes[code] += 1
        self.last = clock()
        if code:
            self.latencies.append(seconds)


class Client(asyncio.Protocol):
    """One connection: greeting, EHLO, mails, QUIT. `closed` is done at its end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._state = "greeting"
        self._sent = 0
        self._number: int | None = None  # of the mail in hand
        self._since = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._transport.set_write_buffer_limits(high=0)  # resume_writing then says when the last byte has gone out

    def resume_writing(self) -> None:
        if self._state == "end":
            self._since = clock()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._number is not None or self._sent == 0:  # a session that never began costs a mail, so that a run ends
            if self._number is None:
                self._run.take()
            self._run.answered(0, 0.0)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        data, self._rest = self._rest + data, b""
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            if line[3:4] != b"-":
                self._answer(int(line[:3]))

    def _say(self, state: str, *pieces: bytes) -> None:
        self._state = state
        if self._transport:
            self._transport.writelines(pieces)

    def _answer(self, code: int) -> None:
        state, mails = self._state, self._run.mails
        if state == "greeting" and code == 220:
            self._say("ehlo", b"EHLO bench.test\r\n")
        elif state == "ehlo" and code == 250:
            self._begin()
        elif state == "mail" and code == 250 and self._number is not None:
            self._say("rcpt", f"RCPT TO:<{mails.recipient(self._number)}>\r\n".encode())
        elif state == "rcpt" and code == 250:
            self._say("data", b"DATA\r\n")
        elif state == "data" and code == 354 and self._number is not None:
            self._since = clock()
            self._say("end", *mails.pieces(self._number))
        elif self._number is not None:  # accepted, or refused at any stage
            self._run.answered(code, clock() - self._since)
            self._number = None
            self._next(again=state == "end")
        elif state == "rset":
            self._begin()
        elif self._transport:
            self._transport.close()

    def _next(self, *, again: bool) -> None:
        workload = self._run.workload
        if workload.each and self._sent >= workload.each:
            self._say("quit", b"QUIT\r\n")
        elif again:
            self._begin()
        else:
            self._say("rset", b"RSET\r\n")

    def _begin(self) -> None:
        self._number = self._run.take()
        if self._number is None:
            self._say("quit", b"QUIT\r\n")
            self._sent += 1
            return
        self._sent += 1
        self._since = clock()
        self._say("mail", f"MAIL FROM:<{self._run.mails.sender(self._number)}>\r\n".encode())


async def _lane(run: Run, host: str, port: int) -> None:
    """Opens one connection after the other, until no mail is left."""
    loop = asyncio.get_running_loop()
    while run.next < run.workload.mails:
        try:
            transport, client = await loop.create_connection(lambda: Client(run), host, port)
        except OSError:
            run.take()
            run.answered(0, 0.0)
            continue
        try:
            await client.closed
        finally:
            transport.abort()  # when the time of the run is over


async def send(workload: Workload, host: str, port: int, seconds: float = SECONDS) -> Sent:
    """Sends the workload's mails and returns their outcomes. Gives up after `seconds`."""
    run = Run(workload)
    begin = clock()
    lanes = [asyncio.create_task(_lane(run, host, port)) for _ in range(workload.connections)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*lanes)
    if missing := workload.mails - run.codes.total():
        run.codes[0] += missing
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Sent(
        codes=dict(run.codes),
        latencies=run.latencies,
        begin=begin,
        last=run.last or clock(),
        cpu=used.ru_utime + used.ru_stime,
    )


def main(host: str, port: int) -> None:
    workload = msgspec.json.decode(sys.stdin.buffer.read(), type=Workload)
    gc.disable()  # a few seconds, bounded: no pauses of our own in the latencies
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(send(workload, host, port))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
