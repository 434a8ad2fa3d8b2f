"""The generator and the sink count right, and nothing is lost or changed between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bench.load import send
from bench.mails import Mails, encoded, prose
from bench.sink import Count, Session, listen, port_of
from bench.workloads import WORKLOADS, Workload
from varco_common.testing.waiting import eventually


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


@contextlib.asynccontextmanager
async def sinking() -> AsyncIterator[tuple[int, Count, list[bytes]]]:
    count, kept = Count(), list[bytes]()
    server = await listen(count, keep=kept.append)
    try:
        yield port_of(server), count, kept
    finally:
        server.close()
        await server.wait_closed()
        await eventually(lambda: count.open == 0)  # before Python 3.12, wait_closed does not wait for connections


async def test_three_mails_count_three_and_arrive_byte_for_byte() -> None:
    async with sinking() as (port, count, kept):
        sent = await send(Workload(name="t", text="", mails=3, connections=2), "127.0.0.1", port)
    assert sent.codes == {250: 3}
    assert sent.accepted == count.mails == count.recipients == len(kept) == 3
    assert count.bytes == sum(len(mail) - 3 for mail in kept)
    assert len(set(kept)) == 3
    for mail in kept:
        assert mail.endswith(b"\r\n" + prose(10_240) + b".\r\n")


async def test_a_kept_connection_and_a_megabyte_count_too() -> None:
    workload = Workload(
        name="t", text="", mails=5, connections=1, each=2, attachment="report.pdf", attachment_size=1 << 20
    )
    async with sinking() as (port, count, kept):
        sent = await send(workload, "127.0.0.1", port)
    assert sent.codes == {250: 5}
    assert count.mails == 5
    assert all(encoded("report.pdf", 1 << 20) in mail for mail in kept)


async def test_what_nobody_takes_is_counted_as_lost() -> None:
    async with sinking() as (port, _, _):
        pass
    sent = await send(Workload(name="t", text="", mails=3, connections=2), "127.0.0.1", port)
    assert sent.codes == {0: 3}
    assert sent.accepted == 0


def test_bodies_are_as_long_as_they_say_and_hold_no_end_of_data() -> None:
    for size in (2, 73, 74, 75, 1024, 10_240):
        assert len(prose(size)) == size
        assert prose(size).endswith(b"\r\n")
    assert all(len(line) <= 76 for line in prose(10_240).split(b"\r\n"))
    for workload in WORKLOADS.values():
        mail = b"".join(Mails(workload).pieces(0))
        assert (b"\r\n" + mail).index(b"\r\n.") == len(mail) - 3


def test_the_sink_finds_the_end_wherever_it_is_cut() -> None:
    stream = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nMAIL FROM:<>\r\n"
    stream += b"RCPT TO:<g@h.i>\r\nDATA\r\n.\r\nQUIT\r\n"
    for cut in range(1, len(stream)):
        count, kept = Count(), list[bytes]()
        session = Session(count, kept.append)
        session.connection_made(transport := FakeTransport())
        for at in range(0, len(stream), cut):
            session.data_received(stream[at : at + cut])
        assert kept == [b"Subject: x\r\n\r\n..\r\n.\r\n", b".\r\n"]
        assert (count.mails, count.recipients) == (2, 2)
        assert transport.written.count(b"354") == 2
