"""kill -9 at any moment: nothing is lost, and who has a mail on record isn't sent it again."""

import asyncio
import signal
import subprocess
from collections import Counter
from datetime import timedelta

from varco_common.base.errors import TransientError
from varco_common.events import Failure, MailBounced, MailDeferred, MailDelivered, SenderNotified
from varco_common.testing.next_hop import NextHop, recipients
from varco_relay import account_worker

SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


async def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)


async def recorded(gate) -> set[str]:
    """The recipients whose delivery is in EVENTS by now."""
    events = gate.bus.events.since(MailDelivered.subject_filter(), gate.now() - timedelta(minutes=10))
    return {recipient async for stored in events for recipient in stored.event.recipients}


async def test_killed_in_mid_traffic_every_mail_arrives_and_no_recorded_one_twice(gate, hop: NextHop):
    """A kill repeats at most the mails that the account's worker had in hand without an event.

    That is the bound, and not the mails that the connections were sending: an event takes as long
    as the bus does, and the connections go on with other mails meanwhile.
    """
    await gate.account()
    way = {"default_route": f"127.0.0.1:{hop.port}"}
    process = gate.process(**way)
    wanted = {f"r{number}@x.example" for number in range(400)}
    kills = (60, 160, 260)  # after so many mails
    stands: list[tuple[set[str], int]] = []  # at each kill: who was on record, and how many mails had arrived

    async def traffic() -> None:
        for recipient in sorted(wanted):
            await gate.mail(recipient)

    try:
        sending = asyncio.create_task(traffic())
        for mails in kills:
            await hop.got(mails, timeout=120)
            await kill(process)
            stands.append((await recorded(gate), len(hop.received)))
            process = gate.process(**way)
        await sending
        await gate.facts.until(MailDelivered, len(wanted), timeout=120)
    finally:
        await kill(process)
    for final, arrivals in stands:
        assert final.isdisjoint(recipients(hop.received[arrivals:]))
    arrived = Counter(recipients(hop.received))
    assert set(arrived) == wanted
    twice = {recipient for recipient, count in arrived.items() if count > 1}
    assert max(Counter(recipients(gate.facts.of(MailDelivered))).values()) == 1
    assert len(twice) <= len(kills) * account_worker.MAX_IN_FLIGHT


async def test_a_recipient_whose_delivery_is_recorded_isnt_sent_to_again(gate, hop: NextHop, monkeypatch):
    """As if it had died between the events and the ack."""
    monkeypatch.setattr(account_worker, "ACK_WAIT_SECONDS", 1.0)
    await gate.account()
    mail = await gate.mail("has@x.example", "waits@x.example", "failed@x.example", "new@x.example")
    async with gate.bus.mail.consume(
        "relay-acme", "mail.accepted.acme", in_flight=1, max_bytes=100_000, ack_wait=1
    ) as puller:
        delivery = await anext(puller)
    envelope = delivery.record.envelope
    about = {"at": envelope.received_at, "account": "acme", "mail": mail, "sequence": delivery.sequence, "host": "h:25"}
    later = {"sender": envelope.sender, "size": 9, "accepted_at": envelope.received_at, "next_at": envelope.received_at}
    await gate.bus.events.append(MailDelivered(**about, recipients=("has@x.example",), answer="250 ok"))
    await gate.bus.events.append(
        MailBounced(**about, failures=(failure("failed@x.example"),), sender=envelope.sender, dsn="d" * 20)
    )
    await gate.bus.events.append(MailDeferred(**about, **later, failures=(failure("waits@x.example"),)))
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.facts.until(MailDelivered, 4)
        await gate.facts.until(SenderNotified)
    assert Counter(recipients(hop.received)) == Counter(["new@x.example", "waits@x.example", "alice@acme.example"])


async def test_a_notification_that_was_owed_at_the_death_is_written_once(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "550 5.1.1 no")
    await hop.stop()
    mail = await gate.mail("bob@x.example")
    async with gate.bus.mail.consume("relay-acme", "mail.accepted.acme", in_flight=1, max_bytes=100_000) as puller:
        delivery = await anext(puller)
        about = {"at": delivery.at, "account": "acme", "mail": mail, "sequence": delivery.sequence, "host": "h:25"}
        bounced = MailBounced(**about, failures=(failure("bob@x.example"),), sender="alice@acme.example", dsn="d" * 20)
        await gate.bus.events.append(bounced)
        await delivery.ack()
    for _ in range(2):
        async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
            await gate.facts.until(SenderNotified)
    await hop.start()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("last@x.example")
        await hop.got(2)
    assert sorted(recipients(hop.received)) == ["alice@acme.example", "last@x.example"]
    assert len(gate.facts.of(SenderNotified)) == 1


async def test_the_queue_outlives_the_process_and_its_database(gate, hop: NextHop):
    await gate.account()
    hop.answer("bob@x.example", "451 4.3.0 not now")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW):
        mail = await gate.mail("bob@x.example")
        await gate.facts.until(MailDeferred)
    for path in (gate.home / "data").glob("relay.sqlite*"):
        path.unlink()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client:
        assert [m["mail"] for m in (await client.get("/queue")).json()["mails"]] == [mail]
        assert (await client.post(f"/queue/{mail}/retry")).status_code == 200
        await gate.facts.until(MailDelivered)


async def test_a_bus_that_dies_loses_nothing(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("before@x.example")
        await hop.got(1)
        await gate.nats.restart()
        await patiently_mailed(gate, "after@x.example")
        await gate.facts.until(MailDelivered, 2)
    assert set(recipients(hop.received)) == {"before@x.example", "after@x.example"}


async def test_a_delivery_made_while_the_bus_is_away_is_recorded_and_not_made_again(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "ACK_WAIT_SECONDS", 1.0)
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.mail("first@x.example")
        await gate.facts.until(MailDelivered)
        taking = asyncio.Event()
        hop.before_end = taking.wait
        await gate.mail("bob@x.example")
        while "RCPT TO:<bob@x.example>" not in hop.commands:
            await hop.news()
        await gate.nats.kill()
        taking.set()
        await hop.got(2)
        await gate.nats.start()
        await gate.facts.until(MailDelivered, 2)
        await patiently_mailed(gate, "last@x.example")
        await gate.facts.until(MailDelivered, 3)
    assert recipients(hop.received) == ["first@x.example", "bob@x.example", "last@x.example"]


async def test_sigterm_lets_an_attempt_end(gate, hop: NextHop):
    await gate.account()
    hop.answer("END", "250-2.0.0 taking\n250 2.0.0 my time")
    process = gate.process(default_route=f"127.0.0.1:{hop.port}")
    await gate.mail()
    await hop.got(1, timeout=120)  # a process starts first
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait) == 0
    await gate.facts.until(MailDelivered)


def failure(recipient: str) -> Failure:
    return Failure(recipient=recipient, status="4.2.2", answer="452 4.2.2 full")


async def patiently_mailed(gate, recipient: str) -> None:
    while True:
        try:
            await gate.mail(recipient)
        except TransientError:
            await asyncio.sleep(0.05)
        else:
            return
