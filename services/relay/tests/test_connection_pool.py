"""How mails share connections, and when a next hop is down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

import pytest

from varco_common.testing.next_hop import DROP, HANG, LOSE, NextHop
from varco_common.testing.waiting import eventually
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.smtp.client import SmtpClient
from varco_relay.smtp.connection_pool import ConnectionPool, PoolLimits
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.pending_transaction import Completed, NotAttempted
from varco_relay.smtp.target import SmtpTarget

from .pools import LIMITS, NO_RECONNECT, QUICK, RECONNECT, Listener, Pools, codes, down_reason, lines, mail
from .slow_end import SlowEnd


async def test_mails_that_wait_share_connections_and_writes(hop: NextHop, pools: Pools):
    pool = pools.to(hop)
    results = await asyncio.gather(*(codes(pool, mail(f"r{n}@x.example")) for n in range(50)))
    assert all(code == 250 for result in results for code in result.values())
    assert len(hop.received) == 50
    assert hop.connections <= LIMITS.connections


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


@dataclass(frozen=True, kw_only=True)
class BrokenDialer(Dialer):
    """A bug with one next hop."""

    dials: list[float] = field(default_factory=list)

    async def dial(self, target: SmtpTarget) -> SmtpClient:
        self.dials.append(asyncio.get_running_loop().time())
        raise RuntimeError(target.host)


async def test_any_error_of_one_route_is_tried_again_with_back_off(hop: NextHop, pools: Pools):
    dialer = BrokenDialer(name="gate.test")
    backoff = Backoff(first=timedelta(seconds=0.02), longest=timedelta(seconds=5), jitter=0)
    pool = ConnectionPool(SmtpTarget(host="h", port=25), dialer, PoolLimits(reconnect=backoff))
    pools.made.append(pool)
    results = await asyncio.gather(*(pool.send(mail()) for _ in range(20)))
    assert results == [NotAttempted(reason="internal error: RuntimeError: h")] * 20
    assert len(dialer.dials) == 1
    await eventually(lambda: len(dialer.dials) >= 4)
    pauses = [later - earlier for earlier, later in pairwise(dialer.dials)]
    assert all(pause >= delay * 0.9 for pause, delay in zip(pauses, (0.02, 0.04, 0.08), strict=False))
    assert await codes(pools.to(hop), mail()) == {"bob@x.example": 250}


async def test_a_mail_that_crashes_its_connection_is_deferred_alone(hop: NextHop, pools: Pools):
    broken = replace(mail(), recipients=("\udc80@x.example",))
    pool = pools.to(hop)
    assert await codes(pool, broken) == {"\udc80@x.example": 0}
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


async def test_a_slow_mail_holds_no_later_mail_up(hop: NextHop, pools: Pools):
    """The first keeps its connection busy; the second gets one of its own."""
    end = SlowEnd(hop)
    pool = pools.to(hop)
    slow = asyncio.create_task(codes(pool, mail("slow@x.example")))
    await end.begun.wait()
    assert await codes(pool, mail("quick@x.example")) == {"quick@x.example": 250}
    assert not slow.done()
    end.free.set()
    assert await slow == {"slow@x.example": 250}
    assert hop.connections == 2


async def test_the_next_hop_is_not_down_while_another_connection_works(hop: NextHop, pools: Pools):
    end = SlowEnd(hop)
    pool, listener = pools.to(hop), Listener()
    pool.listeners.add(listener)
    first = asyncio.create_task(codes(pool, mail("first@x.example")))
    await end.begun.wait()
    hop.answer("GREETING", "421 4.3.2 too many connections")
    second = asyncio.create_task(codes(pool, mail("second@x.example")))
    await eventually(lambda: hop.connections == 2)
    end.free.set()
    assert [await first, await second] == [{"first@x.example": 250}, {"second@x.example": 250}]
    assert listener.reasons == []


async def test_accounts_are_told_once_that_the_next_hop_is_down_and_once_that_it_is_back(hop: NextHop, pools: Pools):
    await hop.stop()
    pool, listener = pools.to(hop), Listener()
    pool.listeners.add(listener)
    results = await asyncio.gather(*(pool.send(mail()) for _ in range(5)))
    assert all(isinstance(result, NotAttempted) for result in results)
    assert len(listener.reasons) == 1
    await hop.start()
    await listener.back.wait()
    assert pool.down_reason == ""
    assert [capabilities.pipelining for capabilities in listener.capabilities] == [True]


async def test_a_reason_that_changes_while_the_next_hop_is_down_is_shown(hop: NextHop, pools: Pools):
    await hop.stop()
    pool = pools.to(hop)
    assert "can't connect" in await down_reason(pool)
    hop.answer("GREETING", *["554 5.7.1 go away"] * 1_000)
    await hop.start()
    await eventually(lambda: "go away" in pool.down_reason)


async def test_a_bug_while_a_mail_is_sent_defers_that_mail_alone(hop: NextHop, pools: Pools):
    async def chunks() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\n"
        raise ValueError("a bug")

    pool = pools.to(hop)
    assert await lines(pool, mail(body=chunks)) == {"bob@x.example": "4.3.0 internal error"}
    assert await codes(pool, mail()) == {"bob@x.example": 250}


async def test_closing_answers_every_mail_that_waits(hop: NextHop, pools: Pools):
    hop.before_end = asyncio.Event().wait
    pool = pools.to(hop, limits=PoolLimits(connections=1))
    results = [asyncio.create_task(pool.send(mail(f"r{number}@x.example"))) for number in range(3)]
    while not any(line == "DATA" for line in hop.commands):
        await hop.news()
    await pool.close()
    assert {type(result) for result in await asyncio.gather(*results)} == {NotAttempted}
    assert "closed" in await down_reason(pool)


async def test_a_lost_connection_forgets_the_answers_that_came_over_it(hop: NextHop, pools: Pools):
    """A mail was announced over a kept connection; its second try is the one that counts."""
    pool = pools.to(hop, limits=PoolLimits(connections=1, reconnect=RECONNECT))
    await codes(pool, mail())
    hop.pipelining = False
    hop.answer("a@x.example", "451 4.7.1 greylisted")
    hop.answer("b@x.example", DROP)
    assert await codes(pool, mail("a@x.example", "b@x.example")) == {"a@x.example": 250, "b@x.example": 250}
