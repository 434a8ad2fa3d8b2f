"""Dead letters: parked, listed, opened, dealt with once by whoever parked them, or dropped."""

import asyncio
from contextlib import asynccontextmanager

from varco_common.bus import Bus
from varco_common.testing.waiting import eventually


@asynccontextmanager
async def worker(nats, name, *, broken):
    """A service that parks all deliveries while `broken` is not empty; yields what it handled."""
    done = []

    async def work(puller):
        async for delivery in puller:
            if broken:
                await delivery.park(broken[0])
            else:
                done.append(delivery.sequence)
                await delivery.ack()

    async with (
        Bus.connect(nats.settings(), name) as bus,
        bus.mail.consume(f"{name}-acme", "mail.accepted.*", in_flight=5, max_bytes=1 << 20) as puller,
    ):
        task = asyncio.create_task(work(puller))
        yield done
        task.cancel()
        await asyncio.wait([task])


async def letters(client, count):
    async def found():
        listed = (await client.get("/deadletters")).json()
        return (listed,) if len(listed) == count else ()

    return (await eventually(found))[0]


async def test_a_dead_letter_is_dealt_with_once_by_the_one_who_parked_it(gate):
    broken = ["the body is gone"]
    async with (
        gate.audit() as client,
        worker(gate.nats, "relay", broken=broken) as done,
        worker(gate.nats, "archive", broken=[]) as others,
    ):
        mail = await gate.mail("bob@x.example")
        [letter] = await letters(client, 1)
        assert (letter["id"], letter["why"], letter["consumer"]) == ("relay.MAIL.1", "the body is gone", "relay-acme")
        opened = (await client.get("/deadletters/relay.MAIL.1")).json()
        assert (opened["mail"], opened["recipients"], opened["unread"]) == (mail, ["bob@x.example"], "")

        refused = await client.post("/deadletters/relay.MAIL.1/redelivery")
        assert (refused.status_code, "parked" in refused.json()["detail"]) == (422, True)
        await eventually(lambda: client.get("/deadletters/relay.MAIL.1"))
        broken.clear()
        assert (await client.post("/deadletters/relay.MAIL.1/redelivery")).status_code == 200
        assert await letters(client, 0) == []
        assert (await client.post("/deadletters/relay.MAIL.1/redelivery")).status_code == 404
        assert (done, others) == ([1], [1])


async def test_a_record_that_cannot_be_read_is_parked_shown_and_dropped(gate):
    async with gate.audit() as client, worker(gate.nats, "relay", broken=[]) as done:
        await gate.publish("mail.accepted.acme", b"no record")
        found = {letter["service"]: letter for letter in await letters(client, 2)}
        assert sorted(found) == ["audit", "relay"], "audit can't read it either"
        opened = (await client.get("/deadletters/relay.MAIL.1")).json()
        assert "not a mail record" in opened["unread"]
        refused = await client.post("/deadletters/relay.MAIL.1/redelivery")
        assert "not a mail record" in refused.json()["detail"]
        assert (await client.delete("/deadletters/relay.MAIL.1")).status_code == 422, "a reason is wanted"
        for name in ("relay.MAIL.1", "audit.MAIL.1"):
            assert (await client.delete(f"/deadletters/{name}", params={"reason": "a test"})).status_code == 200
        assert await letters(client, 0) == []
        [first, _] = await gate.events("events.audit.dead-letter-dropped.*")
        assert (first.event.service, first.event.reason) == ("relay", "a test")
        assert done == []


async def test_an_event_is_not_redelivered_but_its_folder_rebuilt(gate):
    async with gate.audit() as client, Bus.connect(gate.nats.settings(), "policy") as policy:
        sequence = await gate.publish("events.policy.account-opened.acme", b"{}")
        await policy.admin.park("EVENTS", sequence, "not an event")
        await letters(client, 1)
        refused = await client.post(f"/deadletters/policy.EVENTS.{sequence}/redelivery")
        assert (refused.status_code, "replay rebuild policy" in refused.json()["detail"]) == (422, True)


async def test_who_parked_it_may_be_away(gate):
    async with gate.audit() as client:
        async with worker(gate.nats, "relay", broken=["no"]):
            await gate.mail()
            await letters(client, 1)
        assert (await client.post("/deadletters/relay.MAIL.1/redelivery")).status_code == 503
        assert len(await letters(client, 1)) == 1
