"""relay as a whole: accepted mail on the bus, a next hop on a socket, events for each recipient."""

from datetime import timedelta

import pytest

from varco_common.events import (
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailExpired,
    RecordParked,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    SenderNotified,
)
from varco_common.storage.object_store import ObjectStore
from varco_common.testing.next_hop import NextHop, recipients
from varco_relay import account_worker, delivery_attempt


async def test_an_accepted_mail_is_delivered_and_said_so_once(gate, hop: NextHop):
    await gate.account()
    mail = await gate.mail("bob@x.example", "eve@x.example")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        (event,) = await gate.facts.until(MailDelivered)
    assert (event.mail, event.recipients, event.answer) == (
        mail,
        ("bob@x.example", "eve@x.example"),
        "250 2.0.0 Ok: taken",
    )
    assert event.host == f"127.0.0.1:{hop.port}"
    assert [received.sender for received in hop.received] == ["alice@acme.example"]
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("later@x.example")
        await hop.got(2)
    assert recipients(hop.received) == ["bob@x.example", "eve@x.example", "later@x.example"]


async def test_every_kind_that_is_ready_is_delivered(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        for kind in ("accepted", "convert", "converted", "copy", "dsn"):
            await gate.mail(f"{kind}@x.example", kind=kind)
        await gate.facts.until(MailDelivered, 4)
    assert sorted(recipients(hop.received)) == [
        f"{kind}@x.example" for kind in ("accepted", "converted", "copy", "dsn")
    ]


async def test_what_the_next_hop_can_carry_is_said_when_it_is_first_seen_and_when_it_changes(gate, hop: NextHop):
    await gate.account()
    way = {"default_route": f"127.0.0.1:{hop.port}"}
    for mails, expected, smtputf8 in ((1, 1, True), (2, 1, True), (3, 2, False)):
        hop.smtputf8 = smtputf8
        async with gate.relay(**way):
            await gate.mail()
            await hop.got(mails)
            learned = await gate.facts.until(RouteLearned, expected)
    assert [(event.smtputf8, event.eight_bit) for event in learned] == [(True, True), (False, True)]


async def test_recipients_part_ways(gate, hop: NextHop):
    await gate.account()
    hop.answer("later@x.example", "451 4.7.1 greylisted", "451 4.7.1 greylisted")
    hop.answer("never@x.example", "550 5.1.1 no such user")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        mail = await gate.mail("now@x.example", "later@x.example", "never@x.example")
        first, second = await gate.facts.until(MailDelivered, 2, mail)
        await hop.got(3)
    assert (first.recipients, first.attempt) == (("now@x.example",), 1)
    assert (second.recipients, second.attempt) == (("later@x.example",), 3)
    assert [d.attempt for d in gate.facts.of(MailDeferred, mail)] == [1, 2]
    (bounced,) = gate.facts.of(MailBounced, mail)
    assert [(f.recipient, f.status) for f in bounced.failures] == [("never@x.example", "5.1.1")]
    notice = hop.for_recipient("alice@acme.example")[0]
    assert notice.sender == ""
    assert b"Diagnostic-Code: smtp; 550 5.1.1 no such user" in notice.content
    assert b"Subject: hello" in notice.content
    assert recipients(hop.received).count("now@x.example") == 1


async def test_a_refused_notification_is_the_end_of_it(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "550 5.1.1 no")
    hop.answer("alice@acme.example", "550 5.1.1 no")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("bob@x.example")
        await gate.facts.until(MailBounced, 2)
        await gate.mail("next@x.example")
        await hop.got(1)
    assert len(gate.facts.of(SenderNotified)) == 1
    assert recipients(hop.received) == ["next@x.example"]


async def test_more_recipients_than_the_next_hop_takes_go_in_several_transactions(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(delivery_attempt, "RECIPIENTS_PER_TRANSACTION", 5)
    await gate.account()
    hop.answer("r3@x.example", "452 4.5.3 too many recipients")
    hop.answer("r4@x.example", "452 4.5.3 too many recipients")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail(*(f"r{n}@x.example" for n in range(7)))
        events = await gate.facts.until(MailDelivered, 2)
    assert [len(event.recipients) for event in events] == [3, 4]
    assert gate.facts.of(MailDeferred) == []


async def test_what_takes_too_long_expires_and_its_sender_is_told(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", *["451 4.3.0 not now"] * 50)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", give_up="1s"):
        mail = await gate.mail("bob@x.example")
        (event,) = await gate.facts.until(MailExpired)
        await hop.got(1)
    assert event.mail == mail
    assert event.attempt > 1
    assert b"Status: 5.4.7" in hop.received[0].content


async def test_mail_waits_while_its_route_is_down(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 4)
    await gate.account()
    await hop.stop()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        for number in range(20):
            await gate.mail(f"r{number}@x.example")
        await gate.facts.until(RouteFailed)
        shown = (await client.get("/accounts/acme/route")).json()
        assert shown["untried"] == 20
        assert "can't connect" in shown["waiting"]
        await hop.start()
        await gate.facts.until(MailDelivered, 20)
        await gate.facts.until(RouteRecovered)
    assert gate.facts.of(MailDeferred) == []
    assert sorted(recipients(hop.received)) == sorted(f"r{n}@x.example" for n in range(20))


async def test_mail_that_waits_for_a_route_for_too_long_expires(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 2)
    monkeypatch.setattr(account_worker, "ACK_WAIT_SECONDS", 0.3)
    await gate.account()
    await hop.stop()
    for number in range(5):  # before their notifications, as age has it
        await gate.mail(f"r{number}@x.example", age=timedelta(days=6))
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        events = await gate.facts.until(MailExpired, 5)
    assert all("can't connect" in event.failures[0].answer for event in events)


async def test_mail_without_a_route_waits_for_one(gate, hop: NextHop):
    await gate.account()
    await gate.mail()
    async with gate.relay() as client:
        assert (await client.get("/accounts/acme/route")).json()["waiting"].startswith("no route is set")
        await gate.route(hop)
        await gate.facts.until(MailDelivered)
    assert len(hop.received) == 1


async def test_a_new_route_takes_the_deferred_mail_along(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", *["451 4.3.0 not now"] * 3)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
        await gate.route(None)
        (event,) = await gate.facts.until(MailDelivered)
    assert event.host == "blackhole"


async def test_the_black_hole_takes_everything_and_counts(gate):
    await gate.account()
    async with gate.relay(default_route="blackhole") as client:
        await gate.mail(*(f"r{n}@blackhole.example" for n in range(300)), body="è\r\n".encode())
        await gate.mail("bòb@x.example")
        events = await gate.facts.until(MailDelivered, 4)
        (learned,) = await gate.facts.until(RouteLearned)
        metrics = (await client.get("/metrics")).text
    assert {event.host for event in events} == {"blackhole"}
    assert sum(len(event.recipients) for event in events) == 301
    assert (learned.host, learned.smtputf8, learned.eight_bit) == ("blackhole", True, True)
    assert 'varco_relay_recipients_total{outcome="delivered"}' in metrics


async def test_what_the_route_cant_carry_bounces_with_a_clear_answer(gate, hop: NextHop):
    await gate.account()
    hop.smtputf8 = False
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("bòb@x.example", smtputf8=True)
        (event,) = await gate.facts.until(MailBounced)
        await gate.facts.until(SenderNotified)
    assert event.failures[0].status == "5.6.7"


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_bodies_in_the_object_store_arrive_byte_for_byte(gate, hop: NextHop, bodies: ObjectStore, size):
    body = b"Subject: big\r\n\r\n" + b"..dots\r\n" * (size // 8)
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail(body=body, blobs=bodies)
        await hop.got(1)
    assert hop.received[0].body == body


@pytest.mark.parametrize("large", [False, True], ids=["in the record", "in the object store"])
async def test_a_loop_is_counted_whatever_the_size_and_the_refusal_is_the_gates_own(
    gate, hop: NextHop, bodies: ObjectStore, large
):
    await gate.account()
    body = b"Received: from a by b\r\n" * 101 + b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        mail = await gate.mail(body=body, blobs=bodies if large else None)
        (bounced,) = await gate.facts.until(MailBounced, mail=mail)
        (dsn,) = await hop.got(1)
    (failure,) = bounced.failures
    assert (bounced.host, failure.status, failure.by_gate) == ("", "5.4.6", True)
    assert b"Remote-MTA" not in dsn.body
    assert b"Diagnostic-Code: x-varco; 554 5.4.6" in dsn.body


async def test_a_body_that_is_gone_defers_and_at_last_expires(gate, hop: NextHop, bodies: ObjectStore):
    await gate.account()
    mail = await gate.mail(blobs=bodies)
    await bodies.delete(mail)
    way = {"default_route": f"127.0.0.1:{hop.port}", "give_up": "1s"}
    async with gate.relay(**way):
        (event,) = await gate.facts.until(MailExpired)
        await hop.got(1)
    assert event.failures[0].status == "4.3.0"
    assert hop.received[0].recipients == ("alice@acme.example",)


@pytest.mark.parametrize("body", [b"a\r\n.\r\nMAIL FROM:<x@y.example>\r\n", b".\r\n", b"no line end"])
async def test_a_record_that_would_break_out_of_its_transaction_is_parked(gate, hop: NextHop, body):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail(body=body)
        (event,) = await gate.facts.until(RecordParked)
        await gate.mail("next@x.example")
        await hop.got(1)
    assert event.stream == "MAIL"
    assert recipients(hop.received) == ["next@x.example"]
