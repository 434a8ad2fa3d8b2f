"""Mail transactions over real sockets: replies at each verb, and bodies byte for byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from varco_common.base.errors import PoisonError, TransientError
from varco_common.mail.envelope import Envelope
from varco_common.testing.next_hop import NextHop
from varco_relay.smtp.connection_pool import PoolLimits
from varco_relay.smtp.pending_transaction import Completed, NotAttempted
from varco_relay.smtp.transaction import MAX_HEADER, make_transaction, read_header

from .pools import BODY, NO_RECONNECT, QUICK, Pools, codes, lines, mail

ENVELOPE = Envelope(
    id="m" * 20,
    account="acme",
    sender="alice@acme.example",
    recipients=("bob@x.example",),
    host="192.0.2.1",
    received_at=datetime(2026, 11, 29, tzinfo=UTC),
)


@pytest.mark.parametrize("pipelining", [True, False])
async def test_each_recipient_gets_its_own_answer(hop: NextHop, pools: Pools, pipelining):
    hop.pipelining = pipelining
    hop.answer("b@x.example", "450 4.2.0 later")
    hop.answer("c@x.example", "550-5.1.1 no\n550 5.1.1 such user")
    result = await pools.to(hop).send(mail("a@x.example", "b@x.example", "c@x.example"))
    assert isinstance(result, Completed)
    assert {r: reply.line for r, reply in result.replies.items()} == {
        "a@x.example": "250 2.0.0 Ok: taken",
        "b@x.example": "450 4.2.0 later",
        "c@x.example": "550 5.1.1 no 5.1.1 such user",
    }
    assert hop.received[0].recipients == ("a@x.example",)


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_mail_for_nobody_leaves_the_connection_usable(hop: NextHop, pools: Pools, pipelining):
    hop.pipelining = pipelining
    hop.answer("b@x.example", "550 5.1.1 no")
    hop.answer("MAIL", "250 2.1.0 ok", "451 4.3.0 not now")
    pool = pools.to(hop)
    assert await codes(pool, mail("b@x.example")) == {"b@x.example": 550}
    assert await codes(pool, mail("c@x.example")) == {"c@x.example": 451}
    assert await codes(pool, mail("d@x.example")) == {"d@x.example": 250}
    assert hop.connections == 1


async def test_data_let_in_for_nobody_is_ended_with_a_lone_dot(pools: Pools):
    """RFC 2920 3.1."""
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        answers = {b"EHLO": b"250-hi\r\n250 PIPELINING\r\n", b"RCPT": b"550 no\r\n", b"DATA": b"354 go\r\n"}
        while line := await reader.readline():
            said.append(line)
            writer.write(b"554 nobody\r\n" if line == b".\r\n" else answers.get(line[:4], b"250 ok\r\n"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    hop = NextHop(port=server.sockets[0].getsockname()[1])
    pool = pools.to(hop)
    assert await codes(pool, mail("b@x.example")) == {"b@x.example": 550}
    assert said[-1] == b".\r\n"
    await pool.close()
    server.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"..\r\n",
        b"Subject: x\r\n\r\n..leading dot\r\n...\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 200_000 + b"\r\n",
        b"Subject: x\r\n\r\n" + bytes(range(128, 256)) * 40 + b"\r\n",
        b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 65_536,
    ],
    ids=["empty", "one dot", "dots", "long line", "8 bit", "1 MB"],
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_bodies_arrive_byte_for_byte(hop: NextHop, pools: Pools, body, pipelining):
    hop.pipelining = pipelining
    pool = pools.to(hop)
    await asyncio.gather(*(codes(pool, mail(f"r{n}@x.example", body=body)) for n in range(3)))
    assert [received.body for received in hop.received] == [body] * 3


async def test_a_body_in_chunks_arrives_byte_for_byte(hop: NextHop, pools: Pools):
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(100):
            yield b"%06d\r\n" % number * 4_000

    pool = pools.to(hop)
    await asyncio.gather(codes(pool, mail(body=chunks)), codes(pool, mail(body=chunks)))
    whole = b"".join([chunk async for chunk in chunks()])
    assert [received.body for received in hop.received] == [whole] * 2


async def test_a_body_that_breaks_off_isnt_delivered(hop: NextHop, pools: Pools):
    async def chunks() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\n"
        raise TransientError("the object store is away")

    pool = pools.to(hop)
    result = await pool.send(mail(body=chunks))
    assert isinstance(result, Completed)
    assert result.replies["bob@x.example"].line == "4.3.0 the body can't be read: the object store is away"
    assert await codes(pool, mail()) == {"bob@x.example": 250}
    assert [received.body for received in hop.received] == [BODY]


async def test_8bitmime_and_smtputf8_are_asked_by_mails_that_need_them(hop: NextHop, pools: Pools):
    pool = pools.to(hop)
    await codes(pool, mail(eight_bit=True, smtputf8=True))
    await codes(pool, mail(body="Subject: x\r\n\r\nè\r\n".encode()))
    await codes(pool, mail("bòb@x.example"))
    await codes(pool, mail(body="Subject: è\r\n\r\n".encode(), smtputf8=True))
    asked = [
        received.parameters - {p for p in received.parameters if p.startswith("SIZE=")} for received in hop.received
    ]
    assert asked == [frozenset(), {"BODY=8BITMIME"}, {"SMTPUTF8"}, {"BODY=8BITMIME", "SMTPUTF8"}]


async def test_what_the_route_cant_carry_gets_a_clear_answer(hop: NextHop, pools: Pools):
    hop.smtputf8 = hop.eight_bit = False
    pool = pools.to(hop)
    first = await pool.send(mail("bòb@x.example"))
    second = await pool.send(mail(body="Subject: è\r\n\r\nè\r\n".encode()))
    assert isinstance(first, Completed)
    assert isinstance(second, Completed)
    assert first.replies["bòb@x.example"].status == "5.6.7"
    assert second.replies["bob@x.example"].status == "5.6.3"
    assert await codes(pool, mail(eight_bit=True)) == {"bob@x.example": 250}
    assert len(hop.received) == 1


async def test_a_mail_that_goes_round_in_a_circle_is_refused(hop: NextHop, pools: Pools):
    pool = pools.to(hop)
    received = b"Received: from a by b\r\n"
    result = await pool.send(mail(body=received * 101 + b"\r\n"))
    assert isinstance(result, Completed)
    assert result.replies["bob@x.example"].status == "5.4.6"
    assert result.replies["bob@x.example"].by_gate
    assert await codes(pool, mail(body=received * 100 + b"\r\n" + received * 10)) == {"bob@x.example": 250}


@pytest.mark.parametrize("line", [b"Received: from a by b\r\n", b"RECEIVED \t: from a\r\n", b"received:\r\n x\r\n"])
async def test_servers_are_counted_in_the_header_of_a_body_in_chunks(line):
    """Up to the end of the header, wherever a chunk ends."""
    body = b"Subject: x\r\n" + line * 101 + b"\r\n" + line * 10

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    assert make_transaction(ENVELOPE, ["bob@x.example"], chunks, 0, await read_header(chunks)).hops == 101
    assert make_transaction(ENVELOPE, ["bob@x.example"], body, 0, await read_header(body)).hops == 101


async def test_a_header_without_end_is_read_up_to_a_bound():
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"Received: from a\r\n" * 1_000

    assert len(await read_header(chunks)) >= MAX_HEADER
    assert read < 100


async def test_size_is_given_only_where_it_was_offered(hop: NextHop, pools: Pools):
    await codes(pools.to(hop), mail())
    hop.max_size = None
    await codes(pools.to(hop), mail())
    assert [received.parameters for received in hop.received] == [{f"SIZE={len(BODY)}"}, frozenset()]


async def test_a_next_hop_that_knows_only_helo_is_spoken_to_in_helo(hop: NextHop, pools: Pools):
    hop.ehlo = False
    assert await codes(pools.to(hop), mail()) == {"bob@x.example": 250}
    assert hop.received[0].parameters == frozenset()


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "550 5.7.1 sender refused"),
        ("MAIL", "451 4.3.0 not now"),
        ("DATA", "554 5.7.1 no mail from you"),
        ("DATA", "451 4.3.0 not now"),
        ("END", "554 5.7.1 spam"),
        ("END", "452 4.3.1 full"),
    ],
)
async def test_a_refusal_at_any_verb_is_the_answer_to_every_recipient(
    hop: NextHop, pools: Pools, pipelining, verb, answer
):
    hop.pipelining = pipelining
    hop.answer(verb, answer)
    pool = pools.to(hop)
    assert await lines(pool, mail("a@x.example", "b@x.example")) == {"a@x.example": answer, "b@x.example": answer}
    assert await codes(pool, mail("c@x.example")) == {"c@x.example": 250}
    assert hop.connections == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("verb", ["DATA", "END"])
async def test_a_recipient_refused_before_keeps_its_own_answer(hop: NextHop, pools: Pools, pipelining, verb):
    hop.pipelining = pipelining
    hop.answer("b@x.example", "550 5.1.1 no such user")
    hop.answer(verb, "451 4.3.0 not now")
    assert await lines(pools.to(hop), mail("a@x.example", "b@x.example")) == {
        "a@x.example": "451 4.3.0 not now",
        "b@x.example": "550 5.1.1 no such user",
    }


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("verb", ["DATA", "END"])
async def test_421_is_an_answer_after_which_a_new_connection_is_used(hop: NextHop, pools: Pools, pipelining, verb):
    """RFC 5321 3.8."""
    hop.pipelining = pipelining
    hop.answer(verb, "421 4.3.2 shutting down")
    pool = pools.to(hop)
    assert await lines(pool, mail("a@x.example")) == {"a@x.example": "421 4.3.2 shutting down"}
    assert await codes(pool, mail("b@x.example")) == {"b@x.example": 250}
    assert hop.connections == 2


@pytest.mark.parametrize("pipelining", [True, False])
async def test_421_to_a_recipient_keeps_its_text_and_what_was_answered_before(hop: NextHop, pools: Pools, pipelining):
    hop.pipelining = pipelining
    hop.answer("b@x.example", "550 5.1.1 no such user")
    hop.answer("c@x.example", "421-4.7.0 too many\n421 4.7.0 come back tomorrow")
    hop.close_after_421 = True
    pool = pools.to(hop)
    closing = "421 4.7.0 too many 4.7.0 come back tomorrow"
    assert await lines(pool, mail("a@x.example", "b@x.example", "c@x.example", "d@x.example")) == {
        "a@x.example": closing,
        "b@x.example": "550 5.1.1 no such user",
        "c@x.example": closing,
        "d@x.example": closing,
    }
    assert await codes(pool, mail("e@x.example")) == {"e@x.example": 250}


@pytest.mark.parametrize("answer", ["421 4.4.2 too slow", "552 5.3.4 too big"])
async def test_what_a_next_hop_says_when_it_ends_a_body_is_kept(pools: Pools, answer):
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for reply in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(reply)
        await reader.readexactly(500_000)
        writer.write(f"{answer}\r\n".encode())
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            while await reader.read(100_000):
                pass
        writer.close()
        gone.set()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 99_998 + b"\r\n"

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = pools.to(NextHop(port=server.sockets[0].getsockname()[1]))
    assert await lines(pool, mail(body=chunks)) == {"bob@x.example": answer}
    await pool.close()
    await gone.wait()
    server.close()


@pytest.mark.parametrize("flood", [b"250 \r\n" * 1_000, b"250-" + b"x" * 900 + b"\r\n"])
@pytest.mark.parametrize("verb", ["GREETING", "RCPT", "END"])
async def test_a_next_hop_that_floods_replies_is_left_and_fills_no_memory(pools: Pools, flood, verb):
    sent, gone = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        usual = {"GREETING": b"220 hi", "EHLO": b"250 hi", "MAIL": b"250 ok", "RCPT": b"250 ok", "DATA": b"354 go"}
        try:
            for step, reply in usual.items():
                writer.write(reply + b"\r\n")
                await reader.readline()
                if step == verb or (verb == "END" and step == "DATA"):
                    break
            while True:
                writer.write(flood)
                sent += len(flood)
                await writer.drain()
        except ConnectionError:
            gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = pools.to(NextHop(port=server.sockets[0].getsockname()[1]), limits=PoolLimits(reconnect=NO_RECONNECT))
    result = await pool.send(mail(*(f"r{n}@x.example" for n in range(100))))
    await gone.wait()
    assert isinstance(result, Completed | NotAttempted)
    assert sent < 20_000_000  # what sockets hold, and what arrives before the connection is closed
    await pool.close()
    server.close()


async def test_421_to_a_refused_recipient_without_pipelining_ends_the_connection(hop: NextHop, pools: Pools):
    hop.pipelining = False
    hop.answer("a@x.example", "421 4.7.0 too many errors")
    pool = pools.to(hop)
    assert await lines(pool, mail("a@x.example")) == {"a@x.example": "421 4.7.0 too many errors"}
    assert await codes(pool, mail("b@x.example")) == {"b@x.example": 250}
    assert "RSET" not in hop.commands


@pytest.mark.parametrize("answer", ["hello", "250_ok", "2xx ok"])
async def test_a_next_hop_that_stops_speaking_smtp_defers_the_mail(hop: NextHop, pools: Pools, answer):
    hop.answer("END", answer)
    replies = await lines(pools.to(hop), mail())
    assert "isn't SMTP" in replies["bob@x.example"]
    assert replies["bob@x.example"].startswith("4.4.2 ")


async def test_354_after_the_body_delivers_nothing(hop: NextHop, pools: Pools):
    hop.answer("END", "354 more")
    assert await lines(pools.to(hop), mail()) == {"bob@x.example": "the next hop answered 354 more"}


async def test_a_next_hop_that_stops_reading_times_out(hop: NextHop, pools: Pools):
    """The body is larger than all buffers between here and there."""
    stopped = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        await stopped.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_024)
    deaf = NextHop(port=server.sockets[0].getsockname()[1])

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 199_998 + b"\r\n"

    replies = await lines(pools.to(deaf, timeouts=QUICK.scaled(0.1)), mail(body=chunks))
    assert replies["bob@x.example"].endswith("timed out while the body was sent")
    stopped.set()
    server.close()


async def test_an_empty_body_in_chunks_is_ended_all_the_same(hop: NextHop, pools: Pools):
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in ():
            yield chunk

    assert await codes(pools.to(hop), mail(body=chunks)) == {"bob@x.example": 250}
    assert hop.received[0].body == b""


async def test_a_line_end_in_an_address_never_reaches_the_next_hop():
    with pytest.raises(PoisonError):
        mail("bob@x.example>\r\nRCPT TO:<eve@x.example")
    with pytest.raises(PoisonError):
        mail(sender="alice@acme.example\nX: y")


async def test_a_recipient_named_twice_is_sent_to_once(hop: NextHop, pools: Pools):
    await codes(pools.to(hop), mail("a@x.example", "b@x.example", "a@x.example"))
    assert hop.received[0].recipients == ("a@x.example", "b@x.example")
