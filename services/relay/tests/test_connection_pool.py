"""Mails over real sockets to a next hop that answers what it was told to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from varco_common.base.errors import TransientError
from varco_common.base.ids import new_id
from varco_common.events import TlsUse
from varco_common.mail.envelope import Envelope
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import DROP, HANG, LOSE, NextHop, next_hop
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.smtp.client import Timeouts
from varco_relay.smtp.connection_pool import ConnectionPool, PoolLimits
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.pending_transaction import Completed, NotAttempted
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.transaction import Capabilities, SmtpTransaction, make_transaction

BODY = b"Subject: hello\r\n\r\nhello\r\n"
QUICK = Timeouts(connect=2, greeting=2, command=2, data=2, block=2, end=2)
RECONNECT = Backoff(first=timedelta(seconds=0.02), longest=timedelta(seconds=0.05))
NO_RECONNECT = Backoff(first=timedelta(seconds=30), longest=timedelta(seconds=30))
LIMITS = PoolLimits(connections=2, growth_delay=0.01, growth_pause=0.05, idle=5, reconnect=RECONNECT)


@pytest.fixture
async def hop() -> AsyncIterator[NextHop]:
    async with next_hop() as running:
        yield running


class Pools:
    """Makes pools, and closes them at the end."""

    def __init__(self) -> None:
        self.made: list[ConnectionPool] = []

    def to(
        self, hop: NextHop, *, limits: PoolLimits = LIMITS, timeouts: Timeouts = QUICK, trust=None, **target
    ) -> ConnectionPool:
        verified = ssl.create_default_context(cafile=trust)
        dialer = Dialer(name="gate.test", timeouts=timeouts, verified=verified)
        pool = ConnectionPool(SmtpTarget(host="127.0.0.1", port=hop.port, **target), dialer, limits)
        self.made.append(pool)
        return pool


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    for pool in made.made:
        await pool.close()


class Listener:
    """An account that wants to know when its next hop is back."""

    def __init__(self) -> None:
        self.back = asyncio.Event()

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None: ...
    def on_down(self, host: str, reason: str) -> None: ...

    def on_recovered(self) -> None:
        self.back.set()


def mail(*recipients: str, body=BODY, sender="alice@acme.example", smtputf8=False, eight_bit=False) -> SmtpTransaction:
    wanted = recipients or ("bob@x.example",)
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender=sender,
        recipients=wanted,
        host="192.0.2.1",
        received_at=datetime.now(UTC),
        smtputf8=smtputf8,
        eight_bit=eight_bit,
    )
    return make_transaction(envelope, wanted, body, len(body) if isinstance(body, bytes) else 0)


async def codes(pool: ConnectionPool, parcel_: SmtpTransaction) -> dict[str, int]:
    result = await pool.send(parcel_)
    assert isinstance(result, Completed)
    return {recipient: reply.code for recipient, reply in result.replies.items()}


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


async def test_mails_that_wait_share_connections_and_writes(hop: NextHop, pools: Pools):
    pool = pools.to(hop)
    results = await asyncio.gather(*(codes(pool, mail(f"r{n}@x.example")) for n in range(50)))
    assert all(code == 250 for result in results for code in result.values())
    assert len(hop.received) == 50
    assert hop.connections <= LIMITS.connections


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
    second = await pool.send(mail(body="Subject: x\r\n\r\nè\r\n".encode()))
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
    assert await codes(pool, mail(body=received * 100 + b"\r\n" + received * 10)) == {"bob@x.example": 250}


async def test_size_is_given_only_where_it_was_offered(hop: NextHop, pools: Pools):
    await codes(pools.to(hop), mail())
    hop.max_size = None
    await codes(pools.to(hop), mail())
    assert [received.parameters for received in hop.received] == [{f"SIZE={len(BODY)}"}, frozenset()]


async def test_a_next_hop_that_knows_only_helo_is_spoken_to_in_helo(hop: NextHop, pools: Pools):
    hop.ehlo = False
    assert await codes(pools.to(hop), mail()) == {"bob@x.example": 250}
    assert hop.received[0].parameters == frozenset()


# TLS and login


async def test_tls_is_used_where_it_is_offered(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "someone-else.test").server
    result = await pools.to(hop).send(mail())
    assert isinstance(result, Completed)
    assert result.tls == "TLSv1.3"
    assert hop.received[0].tls


async def test_opportunistic_tls_goes_on_in_clear_where_the_handshake_fails(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.answer("STARTTLS", "454 4.7.0 not now")
    assert await codes(pools.to(hop), mail()) == {"bob@x.example": 250}
    assert not hop.received[0].tls


async def test_required_tls_verifies_the_certificate(hop: NextHop, pools: Pools, tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop.context = certificate.server
    refused = await pools.to(hop, tls=TlsUse.REQUIRED).send(mail())
    assert isinstance(refused, NotAttempted)
    assert "certificate" in refused.reason or "self" in refused.reason
    assert await codes(pools.to(hop, tls=TlsUse.REQUIRED, trust=certificate.certificate), mail()) == {
        "bob@x.example": 250
    }
    other = self_signed(tmp_path, "other.test")
    hop.context = other.server
    named = await pools.to(hop, tls=TlsUse.REQUIRED, trust=other.certificate).send(mail())
    assert isinstance(named, NotAttempted)


async def test_required_tls_is_never_given_up(hop: NextHop, pools: Pools):
    result = await pools.to(hop, tls=TlsUse.REQUIRED).send(mail())
    assert result == NotAttempted(reason="the route requires TLS, and the next hop doesn't offer STARTTLS")
    assert hop.received == []
    assert not any(line.startswith("MAIL") for line in hop.commands)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_login_is_given(hop: NextHop, pools: Pools, tmp_path, mechanism):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.logins, hop.auth = {"acme": "sècret"}, (mechanism,)
    assert await codes(pools.to(hop, login="acme", password="sècret"), mail()) == {"bob@x.example": 250}
    assert hop.received[0].login == "acme"


async def test_a_wrong_password_is_the_routes_fault(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.logins = {"acme": "right"}
    result = await pools.to(hop, login="acme", password="wrong").send(mail())
    assert result == NotAttempted(reason="the next hop refuses the login acme: 535 5.7.8 wrong credentials")


async def test_the_password_isnt_sent_in_clear(hop: NextHop, pools: Pools):
    hop.logins = {"acme": "right"}
    result = await pools.to(hop, login="acme", password="right").send(mail())
    assert isinstance(result, NotAttempted)
    assert not any(line.startswith("AUTH") for line in hop.commands)
    assert await codes(pools.to(hop, login="acme", password="right", tls=TlsUse.NONE), mail()) == {"bob@x.example": 250}


# what goes wrong


async def test_nobody_there_is_unreachable_until_somebody_is(hop: NextHop, pools: Pools):
    await hop.stop()
    pool = pools.to(hop)
    result = await pool.send(mail())
    assert isinstance(result, NotAttempted)
    listener = Listener()
    pool.listeners.add(listener)
    assert pool.down_reason
    await hop.start()
    await listener.back.wait()
    assert await codes(pool, mail()) == {"bob@x.example": 250}


@pytest.mark.parametrize("greeting", ["421 4.3.2 too busy", "554 5.7.1 go away", DROP, HANG, "SSH-2.0-OpenSSH_9.2"])
async def test_who_doesnt_greet_is_unreachable(hop: NextHop, pools: Pools, greeting):
    hop.answer("GREETING", greeting)
    pool = pools.to(hop, timeouts=QUICK.scaled(0.1))
    assert isinstance(await pool.send(mail()), NotAttempted)


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(hop: NextHop, pools: Pools):
    pool = pools.to(hop)
    await codes(pool, mail())
    hop.answer("MAIL", "421 4.4.2 idle for too long")
    assert await codes(pool, mail()) == {"bob@x.example": 250}
    hop.answer("MAIL", DROP)
    assert await codes(pool, mail()) == {"bob@x.example": 250}
    assert hop.connections == 3
    assert len(hop.received) == 3


@pytest.mark.parametrize("answer", [LOSE, DROP, HANG])
async def test_a_connection_lost_after_the_dot_defers(hop: NextHop, pools: Pools, answer):
    hop.answer("END", answer)
    result = await pools.to(hop, timeouts=QUICK.scaled(0.2)).send(mail())
    assert isinstance(result, Completed)
    assert result.replies["bob@x.example"].status == "4.4.2"
    assert len(hop.received) == (answer == DROP)


async def test_a_mail_that_a_loss_takes_along_goes_over_another_connection(hop: NextHop, pools: Pools):
    hop.answer("END", "250 2.0.0 ok", LOSE)
    pool = pools.to(hop, limits=PoolLimits(connections=1, reconnect=RECONNECT))
    results = await asyncio.gather(*(codes(pool, mail(f"r{n}@x.example")) for n in range(6)))
    assert [code for result in results for code in result.values()] == [250, 0, 250, 250, 250, 250]
    assert [received.recipients[0] for received in hop.received] == [f"r{n}@x.example" for n in (0, 2, 3, 4, 5)]


async def test_a_next_hop_that_loses_every_mail_is_down_soon(hop: NextHop, pools: Pools):
    hop.answer("MAIL", *[DROP] * 100)
    pool = pools.to(hop, limits=PoolLimits(connections=1, reconnect=NO_RECONNECT))
    results = await asyncio.gather(*(pool.send(mail()) for _ in range(20)))
    assert sum(isinstance(result, Completed) for result in results) == 3
    assert sum(isinstance(result, NotAttempted) for result in results) == 17


async def test_421_to_mail_on_a_new_connection_defers_one_mail_and_is_down(hop: NextHop, pools: Pools):
    hop.answer("MAIL", *["421 4.7.0 slow down"] * 100)
    pool = pools.to(hop, limits=PoolLimits(connections=1, reconnect=NO_RECONNECT))
    results = await asyncio.gather(*(pool.send(mail()) for _ in range(5)))
    assert [isinstance(result, Completed) for result in results] == [True, False, False, False, False]


async def test_no_more_connections_than_the_next_hop_takes(hop: NextHop, pools: Pools):
    pool = pools.to(hop, limits=PoolLimits(connections=4, growth_delay=0.001, growth_pause=5))
    await codes(pool, mail())
    hop.answer("GREETING", *["421 4.3.2 too many connections"] * 100)
    results = await asyncio.gather(*(codes(pool, mail(f"r{n}@x.example")) for n in range(100)))
    assert all(code == 250 for result in results for code in result.values())
    assert hop.connections <= 2


async def test_an_idle_connection_is_closed_politely(hop: NextHop, pools: Pools):
    pool = pools.to(hop, limits=PoolLimits(idle=0.05))
    await codes(pool, mail())
    while "QUIT" not in hop.commands:
        await hop.news()
    await codes(pool, mail())
    assert hop.connections == 2
