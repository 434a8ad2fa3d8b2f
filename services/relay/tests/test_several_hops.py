"""Several next hops: who gets the mail while others are down, refuse or hang."""

import asyncio

import pytest

from varco_common.events import (
    MailBounced,
    MailDeferred,
    MailDelivered,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    RouteSet,
    Smarthost,
    Smarthosts,
)
from varco_common.testing.next_hop import DROP, HANG, LOSE, NextHop, next_hop, recipients
from varco_common.testing.waiting import eventually
from varco_relay.smtp import hop_list


@pytest.fixture
async def other():
    async with next_hop() as running:
        yield running


async def prefer(gate, *hops: NextHop, balance: bool = False) -> None:
    """Routes the account to these next hops, in this order."""
    await gate.account()
    ways = tuple(Smarthost(host="127.0.0.1", port=hop.port) for hop in hops)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=Smarthosts(hops=ways, balance=balance)))


async def test_the_second_takes_over_while_the_first_is_down_and_gives_back(gate, hop: NextHop, other: NextHop):
    await hop.stop()
    await prefer(gate, hop, other)
    async with gate.relay() as client:
        await gate.mail("one@x.example")
        (event,) = await gate.facts.until(MailDelivered)
        assert event.host == f"127.0.0.1:{other.port}"
        assert event.route.startswith(f"127.0.0.1:{hop.port} passed over: can't connect to")
        shown = (await client.get("/accounts/acme/route")).json()
        assert (shown["waiting"], [bool(each["down"]) for each in shown["hops"]]) == ("", [True, False])
        metrics = (await client.get("/metrics")).text
        assert f'varco_relay_next_hop_down{{next_hop="127.0.0.1:{hop.port}"}} 1.0' in metrics
        await hop.start()

        async def the_first_is_up() -> bool:
            shown = (await client.get("/accounts/acme/route")).json()
            return not shown["hops"][0]["down"]

        await eventually(the_first_is_up)
        await gate.mail("two@x.example")
        await gate.facts.until(MailDelivered, 2)
    assert recipients(hop.received) == ["two@x.example"]
    assert recipients(other.received) == ["one@x.example"]
    assert gate.facts.of(RouteFailed) == []


async def test_the_route_is_down_when_every_next_hop_is(gate, hop: NextHop, other: NextHop):
    await hop.stop()
    await other.stop()
    await prefer(gate, hop, other)
    async with gate.relay():
        await gate.mail()
        (failed,) = await gate.facts.until(RouteFailed)
        assert failed.why.count("can't connect to") == 2
        await other.start()
        await gate.facts.until(MailDelivered)
        await gate.facts.until(RouteRecovered)
    assert len(other.received) == 1


@pytest.mark.parametrize(
    ("to", "answer"),
    [
        ("GREETING", "421 4.3.2 too busy"),
        ("GREETING", "554 5.7.1 no"),
        ("GREETING", DROP),
        ("EHLO", "421 4.3.2 closing"),
        ("MAIL", "421 4.3.2 closing"),
        ("MAIL", "451 4.3.0 not now"),
        ("bob@x.example", "450 4.2.0 greylisted"),
        ("bob@x.example", "421 4.7.0 too many errors"),
        ("bob@x.example", "452 4.2.2 mailbox full"),
        ("DATA", "451 4.3.0 not now"),
        ("DATA", "421 4.3.2 closing"),
        ("END", "451 4.3.0 try later"),
    ],
)
async def test_what_one_next_hop_defers_the_other_takes_in_the_same_attempt(
    gate, hop: NextHop, other: NextHop, to: str, answer: str
):
    hop.answer(to, answer)
    await prefer(gate, hop, other)
    async with gate.relay():
        await gate.mail("bob@x.example")
        (event,) = await gate.facts.until(MailDelivered)
    assert event.host == f"127.0.0.1:{other.port}"
    assert f"127.0.0.1:{hop.port} passed over: " in event.route
    assert gate.facts.of(MailDeferred) == []
    assert len(hop.received) + len(other.received) == 1


@pytest.mark.parametrize("answer", [LOSE, DROP])
async def test_a_mail_in_doubt_is_not_offered_to_the_other_at_once(gate, hop: NextHop, other: NextHop, answer: str):
    hop.answer("END", answer)
    await prefer(gate, hop, other)
    async with gate.relay(retry_first="1 hour", retry_longest="1 hour"):
        await gate.mail()
        (event,) = await gate.facts.until(MailDeferred)
    assert "connection lost while the body was sent" in event.failures[0].answer
    assert other.received == []


async def test_a_refusal_for_good_is_final_and_the_other_is_not_asked(gate, hop: NextHop, other: NextHop):
    hop.answer("bob@x.example", "550 5.1.1 no such user")
    await prefer(gate, hop, other)
    async with gate.relay():
        await gate.mail("bob@x.example")
        (event,) = await gate.facts.until(MailBounced)
    assert (event.host, event.failures[0].answer) == (f"127.0.0.1:{hop.port}", "550 5.1.1 no such user")
    assert "RCPT TO:<bob@x.example>" not in other.commands


async def test_a_mail_that_one_next_hop_cannot_carry_goes_to_the_one_that_can(gate, hop: NextHop, other: NextHop):
    hop.smtputf8 = False
    await prefer(gate, hop, other)
    async with gate.relay():
        await gate.mail("böb@x.example", smtputf8=True)
        (event,) = await gate.facts.until(MailDelivered)
        assert event.host == f"127.0.0.1:{other.port}"
        await eventually(lambda: any(learned.smtputf8 for learned in gate.facts.of(RouteLearned)))
    assert gate.facts.of(RouteLearned)[-1].smtputf8


async def test_each_recipient_goes_where_he_is_taken(gate, hop: NextHop, other: NextHop):
    hop.answer("full@x.example", "452 4.2.2 full")
    hop.answer("gone@x.example", "550 5.1.1 gone")
    other.answer("full@x.example", "452 4.2.2 full here as well")
    await prefer(gate, hop, other)
    async with gate.relay(retry_first="1 hour", retry_longest="1 hour") as client:
        mail = await gate.mail("good@x.example", "full@x.example", "gone@x.example")
        (bounced,) = await gate.facts.until(MailBounced)
        (deferred,) = await gate.facts.until(MailDeferred)

        async def waits_for_the_other() -> bool:
            shown = (await client.get(f"/queue/{mail}")).json()
            return shown.get("next_hop") == f"127.0.0.1:{other.port}"

        await eventually(waits_for_the_other)
    assert bounced.host == f"127.0.0.1:{hop.port}"
    assert (deferred.host, deferred.failures[0].answer) == (f"127.0.0.1:{other.port}", "452 4.2.2 full here as well")
    assert recipients(hop.received)[:1] == ["good@x.example"]
    assert other.received == []


async def test_a_next_hop_that_hangs_gives_way_within_its_patience(gate, hop: NextHop, other: NextHop, monkeypatch):
    """30 seconds outside of tests: half of the minute in which another one takes over."""
    assert hop_list.PATIENCE_SECONDS <= 30
    monkeypatch.setattr(hop_list, "PATIENCE_SECONDS", 0.3)
    hop.answer("GREETING", *[HANG] * 9)
    await prefer(gate, hop, other)
    async with gate.relay():
        for number in range(3):
            await gate.mail(f"r{number}@x.example")
        await other.got(3)
        events = await gate.facts.until(MailDelivered, 3)
    assert any("took no mail within" in event.route for event in events)


async def test_balanced_mail_is_spread_and_a_hop_that_is_down_gets_none(gate, hop: NextHop, other: NextHop):
    await prefer(gate, hop, other, balance=True)
    async with gate.relay():
        for number in range(40):
            await gate.mail(f"r{number}@x.example")
        await gate.facts.until(MailDelivered, 40)
        assert min(len(hop.received), len(other.received)) >= 10
        await hop.stop()
        await asyncio.gather(*(gate.mail(f"s{number}@x.example") for number in range(10)))
        await gate.facts.until(MailDelivered, 50)
    assert sorted(recipients([*hop.received, *other.received])) == sorted(
        [f"r{number}@x.example" for number in range(40)] + [f"s{number}@x.example" for number in range(10)]
    )


async def test_who_was_deferred_before_is_delivered_once_by_a_hop_with_few_recipients(
    gate, hop: NextHop, other: NextHop
):
    names = [f"r{number}@x.example" for number in range(4)]
    for name in names:
        hop.answer(name, "450 4.7.1 greylisted")
    for name in names[2:]:
        other.answer(name, "452 4.5.3 too many recipients")
    async with next_hop() as third:
        await prefer(gate, hop, other, third)
        async with gate.relay():
            await gate.mail(*names)
            await eventually(lambda: sorted(r for e in gate.facts.of(MailDelivered) for r in e.recipients) == names)
        assert recipients(third.received) == []
    assert sorted(recipients(other.received)) == names
    assert gate.facts.of(MailDeferred) == []


async def test_a_mail_waits_for_the_hop_that_can_carry_it_while_it_is_down(gate, hop: NextHop, other: NextHop):
    other.smtputf8 = False
    await hop.stop()
    await prefer(gate, hop, other)
    async with gate.relay():
        await gate.mail("bj\u00f6rn@x.example", smtputf8=True)
        (deferred,) = await gate.facts.until(MailDeferred)
    assert deferred.failures[0].status == "4.4.1"
    assert gate.facts.of(MailBounced) == []
