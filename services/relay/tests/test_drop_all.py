"""What a drop of all mail takes, and what it must leave."""

import asyncio
from datetime import UTC, datetime

from varco_common.base.errors import TransientError
from varco_common.bus.event_log import EventLog
from varco_common.events import (
    MailDeferred,
    MailDelivered,
    MailDropped,
    RouteFailed,
    RouteRule,
    RouteRulesSet,
    Smarthost,
)
from varco_common.testing.next_hop import NextHop, recipients
from varco_relay import account_worker, untried_drops
from varco_relay.account_worker import AccountWorker

from .slow_end import SlowEnd

SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}
STOLEN = {"reason": "stolen"}


async def until_untried(client, count: int) -> None:
    """Until the API shows them, and the bus knows that the others are done."""
    async with asyncio.timeout(60):
        while True:
            page = (await client.get("/queue")).json()
            if len(page["untried_mails"]) == page["untried"] == count:
                return
            await asyncio.sleep(0.01)


async def until_queued(client, count: int) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/queue")).json()["total"] != count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


def dropped(gate) -> list[str]:
    return sorted(event.mail for event in gate.facts.of(MailDropped))


async def test_copies_that_archive_forwards_stay_before_and_after_their_first_attempt(gate, hop: NextHop):
    await gate.account()
    for recipient in ("copy@x.example", "mail@x.example"):
        hop.answer(recipient, "451 4.7.1 greylisted")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client, gate.client("acme") as owner:
        tried = [await gate.mail(f"{kind}@x.example", kind=kind) for kind in ("copy",)]
        lost = [await gate.mail("mail@x.example")]
        await gate.facts.until(MailDeferred, 2)
        await until_queued(client, 2)
        await owner.post("/accounts/acme/route/hold")
        untried = [await gate.mail("copy@x.example", kind="copy")]
        lost += [await gate.mail(f"{kind}@x.example", kind=kind) for kind in ("accepted", "dsn")]
        await until_untried(client, 3)
        answer = await owner.post("/accounts/acme/queue/drop", json=STOLEN)
        assert answer.json() == {"mails": 3, "left": 0, "more": 0}
        for copy in (*tried, *untried):
            refused = await owner.post(f"/queue/{copy}/drop", json=STOLEN)
            assert (refused.status_code, "copy" in refused.text) == (422, True)
        assert dropped(gate) == sorted(lost)
        for copy in (*tried, *untried):
            assert (await client.post(f"/queue/{copy}/drop", json=STOLEN)).status_code == 204
        await gate.facts.until(MailDropped, 5)


async def test_the_next_request_drops_the_next_mails_while_the_first_are_not_gone_yet(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(untried_drops, "MAX_ALL", 2)
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await client.post("/accounts/acme/route/hold")
        mails = [await gate.mail(f"r{number}@x.example") for number in range(5)]
        await until_untried(client, 5)
        monkeypatch.setattr(AccountWorker, "_wake", lambda _: None)  # dropped mails stay in hand
        answers = [(await client.post("/accounts/acme/queue/drop", json=STOLEN)).json() for _ in range(4)]
        assert [answer["mails"] for answer in answers] == [2, 2, 1, 0]
        assert [(answer["left"], answer["more"]) for answer in answers] == [(3, 3), (1, 1), (0, 0), (0, 0)]
        assert (await client.get("/queue")).json()["untried_mails"] == []
    await gate.facts.until(MailDropped, 5)
    assert dropped(gate) == sorted(mails)


async def test_a_drop_whose_answer_is_lost_is_recorded_once_and_the_mail_not_tried(gate, hop: NextHop, monkeypatch):
    await gate.account()
    append, lost = EventLog.append, asyncio.Event()

    async def append_and_lose_the_answer(self, event, **more):
        sequence = await append(self, event, **more)
        if isinstance(event, MailDropped) and not lost.is_set():
            lost.set()
            raise TransientError("the bus is away")
        return sequence

    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await client.post("/accounts/acme/route/hold")
        mail = await gate.mail("bob@x.example")
        await until_untried(client, 1)
        monkeypatch.setattr(EventLog, "append", append_and_lose_the_answer)
        answer = await client.post("/accounts/acme/queue/drop", json=STOLEN, timeout=60)
        assert answer.json() == {"mails": 1, "left": 0, "more": 0}
        await client.post("/accounts/acme/route/release")
        after = await gate.mail("after@x.example")
        await gate.facts.until(MailDelivered, mail=after)
    assert lost.is_set()
    assert dropped(gate) == [mail]
    assert recipients(hop.received) == ["after@x.example"]


async def test_dropping_all_judges_each_mail_by_its_own_route(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 1)  # so that the others wait behind the first
    await gate.account()
    rule = RouteRule(route=Smarthost(host="127.0.0.1", port=hop.port), recipients=("@up.example",))
    await gate.bus.events.append(RouteRulesSet(at=datetime.now(UTC), account="acme", rules=(rule,)))
    end = SlowEnd(hop)
    async with gate.relay(default_route="127.0.0.1:1", **SLOW) as client:
        await gate.mail("first@down.example")
        await gate.facts.until(RouteFailed)
        await gate.facts.until(MailDeferred)
        up = [await gate.mail("tried@up.example")]
        async with asyncio.timeout(60):
            await end.begun.wait()
        up.append(await gate.mail("waits@up.example"))
        down = await gate.mail("waits@down.example")
        await until_untried(client, 3)
        page = (await client.get("/queue")).json()
        assert {mail["mail"]: bool(mail["waits_for"]) for mail in page["untried_mails"]} == {
            up[0]: False,
            up[1]: False,
            down: True,
        }
        answer = await client.post("/accounts/acme/queue/drop", json=STOLEN)
        assert answer.json() == {"mails": 2, "left": 2, "more": 0}
        end.free.set()
        for mail in up:
            await gate.facts.until(MailDelivered, mail=mail)
    assert down in dropped(gate)
