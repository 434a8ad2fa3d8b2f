"""Routes by sender and recipient: one mail may take several, and each part has its own fate."""

import asyncio
import signal
import subprocess
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from varco_common.bus import StoredMail
from varco_common.events import (
    Blackhole,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    RouteFailed,
    RouteLearned,
    RouteRule,
    RouteRulesSet,
    RouteSet,
    RuleRouteFailed,
    RuleRouteRecovered,
    Smarthost,
)
from varco_common.testing.next_hop import HANG, NextHop, next_hop, recipients
from varco_common.testing.waiting import eventually
from varco_relay import queue_runner
from varco_relay.model.queue import QueuedMail
from varco_relay.queue_runner import QueueRunner

URL = "/accounts/acme/routes"
SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


@pytest.fixture
async def partner():
    async with next_hop() as running:
        yield running


def to(hop: NextHop) -> dict[str, str]:
    return {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none"}


def rule(hop: NextHop, *patterns: str) -> RouteRule:
    return RouteRule(recipients=patterns, route=Smarthost(host="127.0.0.1", port=hop.port))


async def rules(gate, *some: RouteRule) -> None:
    await gate.bus.events.append(RouteRulesSet(at=gate.now(), account="acme", rules=some))


async def test_a_mail_whose_recipients_take_two_routes_becomes_two_deliveries(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    async with gate.relay() as client:
        entry = {"recipients": ["@partner.example"], **to(partner)}
        done = await client.put(URL, json=[entry])
        assert done.json()["changes"][0]["line"].startswith("+ routes recipients @partner.example: 127.0.0.1:")
        shown = (await client.get(URL)).json()
        assert (shown["routes"], shown["version"]) == ([entry], done.json()["version"])
        await gate.mail("a@x.example", "b@partner.example", "c@Partner.Example")
        events = await gate.facts.until(MailDelivered, 2)
    assert recipients(hop.received) == ["a@x.example"]
    assert recipients(partner.received) == ["b@partner.example", "c@Partner.Example"]
    assert {event.route for event in events} == {"", "recipients @partner.example"}


async def test_the_sender_chooses_the_route_too(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    async with gate.relay() as client:
        await client.put(URL, json=[{"senders": ["@news.acme.example"], **to(partner)}])
        await gate.mail(sender="weekly@news.acme.example")
        await partner.got(1)
        await gate.mail(sender="alice@acme.example")
        await hop.got(1)
        await client.patch(URL, json=None)
        await gate.mail(sender="weekly@news.acme.example")
        await hop.got(2)
    assert len(partner.received) == 1


async def test_each_part_of_a_mail_waits_in_the_queue_by_itself(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    await rules(gate, rule(partner, "@partner.example"))
    hop.answer("a@x.example", "451 4.3.0 here not now")
    partner.answer("b@partner.example", "450 4.2.0 greylisted")
    async with gate.relay(**SLOW) as client:
        mail = await gate.mail("a@x.example", "b@partner.example", "c@x.example")
        await gate.facts.until(MailDeferred, 2)

        async def both_wait() -> bool:
            shown = (await client.get(f"/queue/{mail}")).json()
            return len(shown.get("deliveries", ())) == 2

        await eventually(both_wait)
        shown = (await client.get(f"/queue/{mail}")).json()
        waiting = {each["next_hop"]: (each["route"], each["failures"][0]["answer"]) for each in shown["deliveries"]}
        assert waiting == {
            f"127.0.0.1:{hop.port}": ("", "451 4.3.0 here not now"),
            f"127.0.0.1:{partner.port}": ("recipients @partner.example", "450 4.2.0 greylisted"),
        }
        assert len(shown["failures"]) == 2
        assert (await client.post(f"/queue/{mail}/retry")).status_code == 200
        await gate.facts.until(MailDelivered, 3)
    assert recipients(hop.received) == ["c@x.example", "a@x.example"]
    assert recipients(partner.received) == ["b@partner.example"]


async def test_a_dropped_mail_is_dropped_for_every_part(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    await rules(gate, rule(partner, "@partner.example"))
    hop.answer("a@x.example", "451 4.3.0 no")
    partner.answer("b@partner.example", "451 4.3.0 no")
    async with gate.relay(**SLOW) as client:
        mail = await gate.mail("a@x.example", "b@partner.example")
        await gate.facts.until(MailDeferred, 2)

        async def dropped() -> bool:
            return (await client.post(f"/queue/{mail}/drop", json={"reason": "as asked"})).status_code == 204

        await eventually(dropped)
        await gate.facts.until(MailDropped)
        await eventually(lambda: {r for event in gate.facts.of(MailDropped) for r in event.recipients} != set())
        assert (await client.get(f"/queue/{mail}")).status_code == 404


async def test_a_route_that_is_down_does_not_hold_up_the_others(gate, hop: NextHop, partner: NextHop):
    """More mails for the partner than one account may have in hand."""
    await partner.stop()
    await gate.account()
    await gate.route(hop)
    await rules(gate, rule(partner, "@partner.example"))
    async with gate.relay():
        for number in range(80):
            await gate.mail(f"r{number}@partner.example")
        await gate.mail("a@x.example")
        await hop.got(1)
        (deferred, *_) = await gate.facts.until(MailDeferred, 80)
        assert deferred.failures[0].answer.startswith("4.4.1 can't connect to")
        await partner.start()
        await partner.got(80)
        await gate.facts.until(MailDelivered, 81)
    assert max(Counter(recipients(partner.received)).values()) == 1


async def test_what_ingress_learns_of_one_next_hop_is_not_true_for_mail_with_rules(
    gate, hop: NextHop, partner: NextHop
):
    await gate.account()
    await gate.route(hop)
    await rules(gate, rule(partner, "@partner.example"))
    async with gate.relay():
        await gate.mail("a@x.example")
        await gate.facts.until(MailDelivered)
    assert gate.facts.of(RouteLearned) == []


async def test_a_rule_whose_next_hop_is_down_is_told_once_and_so_is_its_recovery(gate, hop: NextHop, partner: NextHop):
    """Also over a restart; the account's own route is another one."""
    await gate.account()
    await gate.route(hop)
    await partner.stop()
    await rules(gate, rule(partner, "@partner.example"))
    async with gate.relay(**SLOW):
        await gate.mail("a@x.example", "b@partner.example")
        await gate.facts.until(MailDelivered, timeout=60)
        (failed,) = await gate.facts.until(RuleRouteFailed, timeout=60)
    await partner.start()
    async with gate.relay(**SLOW):
        await gate.mail("c@partner.example")
        (recovered,) = await gate.facts.until(RuleRouteRecovered, timeout=60)
        await gate.facts.until(MailDelivered, 2, timeout=60)
    assert (failed.rule, failed.host) == ("recipients @partner.example", f"127.0.0.1:{partner.port}")
    assert "can't connect to" in failed.why
    assert (recovered.rule, recovered.host) == (failed.rule, failed.host)
    assert len(gate.facts.of(RuleRouteFailed)) == 1
    assert gate.facts.of(RouteFailed) == []


async def test_a_deferred_mail_takes_the_route_that_holds_at_its_next_attempt(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    hop.answer("b@partner.example", "451 4.3.0 not here")
    async with gate.relay(**SLOW) as client:
        mail = await gate.mail("b@partner.example")
        await gate.facts.until(MailDeferred)
        await client.put(URL, json=[{"recipients": ["@partner.example"], **to(partner)}])
        await eventually(lambda: retried(client, mail))
        (event,) = await gate.facts.until(MailDelivered)
    assert (event.route, event.attempt) == ("recipients @partner.example", 2)
    assert recipients(partner.received) == ["b@partner.example"]


async def test_a_mail_that_waits_for_a_next_hop_takes_another_route_at_once(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    await rules(gate, rule(partner, "@partner.example"))
    partner.answer("GREETING", HANG)
    async with gate.relay(**SLOW):
        await gate.mail("b@partner.example")
        await eventually(lambda: partner.connections)
        await rules(gate)
        (event,) = await gate.facts.until(MailDelivered)
    assert (event.route, event.attempt) == ("", 1)
    assert gate.facts.of(MailDeferred) == gate.facts.of(RuleRouteFailed) == []


async def test_a_mail_in_the_queue_takes_another_route_at_once(gate, hop: NextHop, partner: NextHop, monkeypatch):
    monkeypatch.setattr(queue_runner, "ROUTE_CHECK", timedelta(hours=1))
    await gate.account()
    await gate.route(hop)
    hop.answer("b@partner.example", "450 4.2.0 greylisted")
    partner.answer("GREETING", HANG)
    async with gate.relay(**SLOW) as client:
        mail = await gate.mail("b@partner.example")
        await gate.facts.until(MailDeferred)
        await client.put(URL, json=[{"recipients": ["@partner.example"], **to(partner)}])
        await eventually(lambda: retried(client, mail))
        await eventually(lambda: partner.connections)
        await rules(gate)
        (event,) = await gate.facts.until(MailDelivered)
    assert (event.route, event.attempt) == ("", 2)
    assert len(gate.facts.of(MailDeferred)) == 1


async def test_a_mail_is_not_given_up_if_its_route_is_replaced_while_its_record_is_read(
    gate, hop: NextHop, partner: NextHop, monkeypatch
):
    await gate.account()
    await gate.route(hop)
    hop.answer("b@partner.example", "450 4.2.0 greylisted")
    read = QueueRunner._stored

    async def read_late(runner: QueueRunner, state: QueuedMail) -> StoredMail | None:
        before = runner._table_of(state.account)
        await rules(gate)
        await eventually(lambda: runner._table_of(state.account) is not before)
        monkeypatch.setattr(QueueRunner, "_stored", read)
        return await read(runner, state)

    async with gate.relay(**SLOW) as client:
        mail = await gate.mail("b@partner.example")
        await gate.facts.until(MailDeferred)
        await client.put(URL, json=[{"recipients": ["@partner.example"], **to(partner)}])
        monkeypatch.setattr(QueueRunner, "_stored", read_late)
        await eventually(lambda: retried(client, mail))
        (event,) = await gate.facts.until(MailDelivered)
    assert (event.route, event.attempt) == ("", 2)
    assert gate.facts.of(MailExpired) == []


async def retried(client: httpx.AsyncClient, mail: str) -> bool:
    return (await client.post(f"/queue/{mail}/retry")).status_code == 200


@pytest.mark.timeout(600)
async def test_killed_while_routes_change_nothing_is_lost_and_no_recorded_recipient_repeats(
    gate, hop: NextHop, partner: NextHop
):
    """Half of the recipients of each mail change their route all the time, later less often."""
    await gate.account()
    await gate.route(hop)
    process = gate.process()
    count = 120
    wanted = {f"{name}{number}@{name}.example" for number in range(count) for name in ("x", "partner")}
    sent = asyncio.Event()

    async def traffic() -> None:
        for number in range(count):
            await gate.mail(f"x{number}@x.example", f"partner{number}@partner.example")
        sent.set()

    async def changes() -> None:
        turn = 0
        while not sent.is_set() or len(gate.facts.of(MailDelivered)) < 2 * count:
            turn += 1
            await rules(gate, *([rule(partner, "@partner.example")] if turn % 2 else []))
            await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=rule(hop, "@x").route))
            await asyncio.sleep(max(0.05, turn / 2_000))  # a slow machine must come to deliver, too

    stands = []
    sending, changing = asyncio.create_task(traffic()), asyncio.create_task(changes())
    try:
        for mails in (30, 90):
            await eventually(lambda mails=mails: len(hop.received) + len(partner.received) >= mails, seconds=120)
            await kill(process)
            final = {recipient for event in gate.facts.of(MailDelivered) for recipient in event.recipients}
            stands.append((final, len(hop.received), len(partner.received)))
            process = gate.process()
        await sending
        delivered = lambda: {r for event in gate.facts.of(MailDelivered) for r in event.recipients}  # noqa: E731
        await eventually(lambda: delivered() == wanted, seconds=240)
    finally:
        changing.cancel()
        await kill(process)
    for final, at_hop, at_partner in stands:
        assert final.isdisjoint(recipients([*hop.received[at_hop:], *partner.received[at_partner:]]))
    assert set(recipients([*hop.received, *partner.received])) == wanted
    outcomes = Counter(recipient for event in gate.facts.of(MailDelivered) for recipient in event.recipients)
    assert max(outcomes.values()) == 1


async def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)


async def test_mail_for_the_black_hole_of_a_rule_is_sent_nowhere(gate, hop: NextHop):
    await gate.account()
    await gate.route(hop)
    await rules(gate, RouteRule(recipients=("@test.example",), route=Blackhole()))
    async with gate.relay():
        await gate.mail("a@test.example", "b@x.example")
        events = await gate.facts.until(MailDelivered, 2)
    assert {event.host for event in events} == {"blackhole", f"127.0.0.1:{hop.port}"}
    assert recipients(hop.received) == ["b@x.example"]


async def test_which_route_a_mail_would_take_is_answered_without_a_mail(gate, hop: NextHop, partner: NextHop):
    await gate.account()
    await gate.route(hop)
    async with gate.relay() as client:
        question = {"sender": "a@acme.example", "recipients": ["b@partner.example", "c@x.example"]}

        async def answers(**sections) -> list[tuple[str, str]]:
            form = question | ({"sections": sections} if sections else {})
            answer = await client.post(f"{URL}/chosen", json=form)
            return [(each["goes_to"], each["why"]) for each in answer.json()]

        own = f"127.0.0.1:{hop.port} tls opportunistic"
        assert await answers() == [(own, "there are no rules")] * 2
        rule = {"recipients": ["@partner.example"], **to(partner)}
        theirs = (f"127.0.0.1:{partner.port} tls none", "rule 1: recipients @partner.example")
        assert await answers(routes=[rule]) == [theirs, (own, "no rule covers it")]
        assert await answers(routes=[rule], route="mx") == [theirs, ("mx tls opportunistic", "no rule covers it")]
        assert (await client.get(URL)).json()["routes"] == []
        refused = await client.post(f"{URL}/chosen", json=question | {"sections": {"routes": [{"to": "mx"}]}})
        assert refused.status_code == 422
