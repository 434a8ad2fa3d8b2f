"""The queue at work: retries, holds, drops, what a restart finds, and the DSNs that senders get."""

from datetime import timedelta

import pytest

from varco_common.base.errors import TransientError
from varco_common.events import (
    Failure,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    RouteFailed,
    RouteRecovered,
    RouteSet,
    SenderNotified,
    Smarthost,
)
from varco_common.storage.object_store import ObjectStore
from varco_common.testing.certificates import self_signed
from varco_common.testing.dns import dns_server
from varco_common.testing.next_hop import NextHop, recipients
from varco_common.testing.waiting import eventually

from .slow_end import SlowEnd

LATER = "451 4.3.0 not now"
SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


def to(hop: NextHop) -> dict[str, str]:
    return {"default_route": f"127.0.0.1:{hop.port}"}


def attempts(hop: NextHop, recipient: str) -> int:
    return hop.commands.count(f"RCPT TO:<{recipient}>")


async def test_the_second_attempt_is_planned_after_the_first_delay_and_the_third_after_twice_that(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER, LATER)
    async with gate.relay(**to(hop), retry_first="0.4s", retry_longest="10s"):
        await gate.mail("bob@x.example")
        first, second = await gate.facts.until(MailDeferred, 2)
        await gate.facts.until(MailDelivered)
    assert timedelta(seconds=0.32) <= first.next_at - first.at <= timedelta(seconds=0.48)
    assert timedelta(seconds=0.64) <= second.next_at - second.at <= timedelta(seconds=0.96)
    assert second.at >= first.next_at


async def test_only_the_recipients_that_wait_are_tried_again(gate, hop: NextHop):
    await gate.account()
    hop.answer("slow@x.example", LATER)
    async with gate.relay(**to(hop)):
        await gate.mail("quick@x.example", "slow@x.example", "never@x.example")
        await gate.facts.until(MailDelivered, 2)
    assert (attempts(hop, "quick@x.example"), attempts(hop, "slow@x.example")) == (1, 2)


async def test_a_deferred_mail_only_waits_while_its_route_is_down(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), retry_first="0.3s") as client:
        await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
        await hop.stop()
        await gate.mail("other@x.example")
        await gate.facts.until(RouteFailed)

        async def overdue() -> bool:
            (mail,) = (await client.get("/queue")).json()["mails"]
            return mail["attempts"] == 1 and "varco_relay_route_down" in (await client.get("/metrics")).text

        await eventually(overdue)
        await hop.start()
        await gate.facts.until(MailDelivered, 2)
    assert len(gate.facts.of(MailDeferred)) == 1
    assert sorted(recipients(hop.received)) == ["bob@x.example", "other@x.example"]


async def test_a_deferred_mail_expires_while_its_route_is_down_with_its_last_answer(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "451 4.7.1 greylisted")
    async with gate.relay(**to(hop), retry_first="0.3s", give_up="1s"):
        await gate.mail("bob@x.example", sender="")
        await gate.facts.until(MailDeferred)
        await hop.stop()
        await gate.mail("other@x.example", sender="")
        await gate.facts.until(RouteFailed)
        expired = await gate.facts.until(MailExpired, 2)
    answers = {failure.recipient: failure.answer for event in expired for failure in event.failures}
    assert answers["bob@x.example"] == "451 4.7.1 greylisted"
    assert answers["other@x.example"].startswith("4.4.1 can't connect")


async def test_a_held_mail_is_not_tried_though_it_is_due(gate, hop: NextHop):
    await gate.account()
    hop.answer("held@x.example", *[LATER] * 2)
    hop.answer("free@x.example", *[LATER] * 6)
    async with gate.relay(**to(hop), retry_first="0.3s", retry_longest="0.3s") as client:
        held = await gate.mail("held@x.example")
        await gate.facts.until(MailDeferred, 1, held)
        await eventually(lambda: queued(client, held))
        assert (await client.post(f"/queue/{held}/hold")).status_code == 200
        tried = attempts(hop, "held@x.example")
        free = await gate.mail("free@x.example")
        await gate.facts.until(MailDeferred, 5, free)
        assert attempts(hop, "held@x.example") == tried
        assert (await client.post(f"/queue/{held}/release")).status_code == 200
        await gate.facts.until(MailDelivered, 1, held)
    assert len(gate.facts.of(MailHeld)) == 1


async def queued(client, mail: str) -> bool:
    return (await client.get(f"/queue/{mail}")).status_code == 200


async def test_a_held_mail_is_still_held_after_a_restart(gate, hop: NextHop):
    await gate.account()
    hop.answer("held@x.example", LATER)
    async with gate.relay(**to(hop), **SLOW) as client:
        held = await gate.mail("held@x.example")
        await gate.facts.until(MailDeferred, 1, held)
        await eventually(lambda: queued(client, held))
        await client.post(f"/queue/{held}/hold")
    async with gate.relay(**to(hop)) as client:
        assert (await client.get(f"/queue/{held}")).json()["held"] is True
        assert 'varco_relay_queue_held_mails{account="acme"} 1.0' in (await client.get("/metrics")).text
        await client.post(f"/queue/{held}/release")
        await gate.facts.until(MailDelivered, 1, held)


async def test_a_held_mail_is_given_up_once_its_record_has_left_mail(gate, hop: NextHop):
    """It can't be sent any more, and its sender must hear that."""
    await gate.account()
    hop.answer("held@x.example", LATER)
    hop.answer("other@x.example", LATER, LATER)
    async with gate.relay(**to(hop), **SLOW) as client:
        held = await gate.mail("held@x.example")
        await gate.mail("other@x.example")
        (deferred,) = await gate.facts.until(MailDeferred, 1, held)
        await gate.facts.until(MailDeferred, 2)
        await eventually(lambda: queued(client, held))
        await client.post(f"/queue/{held}/hold")
    async with gate.relay(**to(hop), **SLOW, give_up="0.1s") as client:
        other = next(event.mail for event in gate.facts.of(MailDeferred) if event.mail != held)
        await eventually(lambda: queued(client, other))
        await client.post(f"/queue/{other}/retry")
        await gate.facts.until(MailExpired, 1, other)
        assert (await client.get(f"/queue/{held}")).json()["held"] is True
        await gate.bus.admin.erase(deferred.sequence, overwrite=False)
        await gate.facts.until(MailExpired, 1, held)
        await gate.facts.until(SenderNotified, 1, held)
    assert "held@x.example" not in recipients(hop.received)


async def test_a_mail_whose_next_hop_dns_does_not_tell_waits_longer_each_time_and_is_given_up(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), **SLOW):
        mail = await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
    way = Smarthost(host="provider.example", port=hop.port, mx=True)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=way))
    with dns_server() as dns:
        dns.fail("provider.example", "SERVFAIL")
        more = {"resolver_servers": (dns.address,)}
        async with gate.relay(**more, retry_first="0.1s", retry_longest="100s") as client:
            await eventually(lambda: queued(client, mail))
            await client.post(f"/queue/{mail}/retry")
            _, second, third = await gate.facts.until(MailDeferred, 3, timeout=60)
        async with gate.relay(**more, **SLOW, give_up="0.1s"):  # it is due within what it has waited so far
            (expired,) = await gate.facts.until(MailExpired, timeout=180)
    assert (second.attempt, third.attempt) == (2, 3)
    assert "DNS gives no answer" in second.failures[0].answer
    assert third.next_at - third.at > second.next_at - second.at
    assert "DNS gives no answer" in expired.failures[0].answer


async def test_an_account_is_told_that_dns_does_not_tell_its_next_hop(gate, hop: NextHop):
    await gate.account()
    way = Smarthost(host="provider.example", port=hop.port, mx=True)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=way))
    with dns_server() as dns:
        dns.fail("provider.example", "SERVFAIL")
        async with gate.relay(resolver_servers=(dns.address,)):
            await gate.mail("bob@x.example")
            (failed,) = await gate.facts.until(RouteFailed, timeout=60)
            assert "DNS gives no answer" in failed.why
            dns.mend("provider.example")
            dns.add("provider.example", "MX", "10 mx.provider.example.")
            dns.add("mx.provider.example", "A", "127.0.0.1")
            await gate.facts.until(MailDelivered, timeout=60)
            await gate.facts.until(RouteRecovered)


async def test_a_mail_that_became_due_while_relay_was_down_is_tried_at_its_start(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), **SLOW | {"retry_first": "0.5s"}):
        await gate.mail("bob@x.example")
        (deferred,) = await gate.facts.until(MailDeferred)
    await eventually(lambda: deferred.next_at < gate.now())
    async with gate.relay(**to(hop), **SLOW):
        (event,) = await gate.facts.until(MailDelivered)
    assert event.attempt == 2


async def test_a_dropped_mail_ends_without_a_dsn_and_without_another_attempt(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), **SLOW) as client:
        mail = await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
        await eventually(lambda: queued(client, mail))
        await client.post(f"/queue/{mail}/drop", json={"reason": "sent twice"})
        assert (await client.post(f"/queue/{mail}/retry")).status_code == 404
        await gate.mail("next@x.example")
        await gate.facts.until(MailDelivered)
    assert recipients(hop.received) == ["next@x.example"]
    assert gate.facts.of(SenderNotified) == []
    assert gate.facts.of(MailDropped)[0].recipients == ("bob@x.example",)


async def test_a_mail_dropped_in_the_middle_of_an_attempt_does_not_come_back(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), **SLOW) as client:
        mail = await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
        await eventually(lambda: queued(client, mail))
        end = SlowEnd(hop)
        await client.post(f"/queue/{mail}/retry")
        await end.begun.wait()
        await client.post(f"/queue/{mail}/drop", json={"reason": "too late"})
        end.free.set()
        await gate.facts.until(MailDelivered)
        assert (await client.get("/queue")).json()["total"] == 0


async def test_an_entry_that_cannot_be_sent_stops_no_other(gate, hop: NextHop):
    """As a bug would have it: the recipient would end its command early."""
    await gate.account()
    mail = await gate.mail("ok@x.example")
    now = gate.now()
    failure = Failure(recipient="bob@x.example>\r\nDATA", status="4.3.0", answer=LATER)
    fields = {"at": now, "account": "acme", "mail": mail, "sequence": 1, "sender": "alice@acme.example"}
    await gate.bus.events.append(
        MailDeferred(**fields, failures=(failure,), host="h:25", size=9, accepted_at=now, next_at=now)
    )
    hop.answer("late@x.example", LATER)
    async with gate.relay(**to(hop)) as client:
        await gate.mail("late@x.example")
        await gate.facts.until(MailDelivered, 2)

        async def one_is_left() -> bool:
            return (await client.get("/queue")).json()["total"] == 1

        await eventually(one_is_left)
    assert sorted(recipients(hop.received)) == ["late@x.example", "ok@x.example"]


async def test_a_mail_that_is_due_while_the_bus_is_away_is_tried_when_it_is_back(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", LATER)
    async with gate.relay(**to(hop), retry_first="0.5s", retry_longest="0.5s"):
        await gate.mail("bob@x.example")
        (deferred,) = await gate.facts.until(MailDeferred)
        await gate.nats.kill()
        await eventually(lambda: deferred.next_at < gate.now())
        await gate.nats.start()
        await gate.facts.until(MailDelivered)
    assert recipients(hop.received) == ["bob@x.example"]


async def test_the_tls_version_is_recorded_with_the_delivery(gate, hop: NextHop, tmp_path):
    await gate.account()
    hop.context = self_signed(tmp_path, "a.test").server
    async with gate.relay(**to(hop)):
        await gate.mail()
        (event,) = await gate.facts.until(MailDelivered)
    assert event.tls == "TLSv1.3"


# DSNs


async def test_one_dsn_names_every_recipient_that_was_refused(gate, hop: NextHop):
    await gate.account()
    hop.answer("a@x.example", "550 5.1.1 no such user")
    hop.answer("c@x.example", "554 no thanks")
    async with gate.relay(**to(hop)):
        await gate.mail("a@x.example", "b@x.example", "c@x.example")
        await gate.facts.until(SenderNotified)
        await hop.got(2)
    (dsn,) = hop.for_recipient("alice@acme.example")
    assert dsn.sender == ""
    assert b"Final-Recipient: rfc822; a@x.example" in dsn.content
    assert b"Status: 5.1.1" in dsn.content
    assert b"Final-Recipient: rfc822; c@x.example" in dsn.content
    assert b"Diagnostic-Code: smtp; 554 no thanks" in dsn.content
    assert b"b@x.example" not in dsn.content
    assert b"Reporting-MTA: dns; gate.test" in dsn.content
    assert b"Remote-MTA: dns; 127.0.0.1" in dsn.content


async def test_a_null_sender_gets_no_dsn(gate, hop: NextHop):
    """RFC 5321 4.5.5."""
    await gate.account()
    hop.answer("bob@x.example", "550 5.1.1 no")
    async with gate.relay(**to(hop)):
        await gate.mail("bob@x.example", sender="")
        (bounced,) = await gate.facts.until(MailBounced)
        await gate.mail("next@x.example")
        await gate.facts.until(MailDelivered)
    assert bounced.dsn == ""
    assert gate.facts.of(SenderNotified) == []
    assert recipients(hop.received) == ["next@x.example"]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_dsn_has_the_headers_of_a_large_mail_if_its_body_is_there(
    gate, hop: NextHop, bodies: ObjectStore, lost
):
    await gate.account()
    hop.answer("bob@x.example", "550 5.1.1 no")
    body = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    mail = await gate.mail("bob@x.example", body=body, blobs=bodies)
    if lost:
        await bodies.delete(mail)
    async with gate.relay(**to(hop), **SLOW):
        await gate.facts.until(SenderNotified)
        await hop.got(1)
    (dsn,) = hop.for_recipient("alice@acme.example")
    assert (b"Subject: large" in dsn.content) is not lost
    assert b"x" * 70 not in dsn.content


async def test_a_mail_whose_record_is_gone_is_given_up_and_its_sender_told(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "451 4.7.1 greylisted")
    async with gate.relay(**to(hop), **SLOW) as client:
        mail = await gate.mail("bob@x.example")
        (deferred,) = await gate.facts.until(MailDeferred)
        await eventually(lambda: queued(client, mail))
        await gate.bus.admin.erase(deferred.sequence, overwrite=False)
        await client.post(f"/queue/{mail}/retry")
        await gate.facts.until(MailExpired)
        await hop.got(1)
    (dsn,) = hop.received
    assert dsn.recipients == ("alice@acme.example",)
    assert b"Diagnostic-Code: smtp; 451 4.7.1 greylisted" in dsn.content
    assert b"Subject: hello" not in dsn.content


async def test_a_dsn_waits_for_a_bus_that_is_away_and_is_written_once(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "550 5.1.1 no")
    async with gate.relay(**to(hop)):
        await gate.mail("bob@x.example")
        await gate.facts.until(MailBounced)
        await gate.nats.restart()
        await gate.facts.until(SenderNotified)
        await mailed(gate, "last@x.example")
        await gate.facts.until(MailDelivered, 2)
    assert recipients(hop.received).count("alice@acme.example") == 1


async def mailed(gate, recipient: str) -> None:
    async def accepted() -> bool:
        try:
            await gate.mail(recipient)
        except TransientError:
            return False
        return True

    await eventually(accepted)
