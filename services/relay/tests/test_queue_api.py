"""The queue over HTTP, with real tokens."""

import asyncio

from varco_common.events import DeliveryHeld, MailDeferred, MailDelivered, MailDropped, MailHeld, RouteFailed
from varco_common.testing.next_hop import NextHop, recipients
from varco_relay import account_worker
from varco_relay.untried_drops import UntriedDrops

from .slow_end import SlowEnd

SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


async def deferred(gate, hop: NextHop, *recipients_: str, account="acme") -> list[str]:
    """Mails that wait in the queue; gives their ids."""
    before = len(gate.facts.of(MailDeferred))
    for recipient in recipients_:
        hop.answer(recipient, "451 4.7.1 greylisted")
    mails = [await gate.mail(recipient, account=account) for recipient in recipients_]
    await gate.facts.until(MailDeferred, before + len(mails))
    return mails


async def listed(client, **query) -> list[str]:
    answer = await client.get("/queue", params=query)
    assert answer.status_code == 200
    return [mail["mail"] for mail in answer.json()["mails"]]


async def queued(client, mails: list[str]) -> None:
    """Until the API shows them."""
    async with asyncio.timeout(60):
        while set(await listed(client)) != set(mails):  # noqa: ASYNC110 - an API has no events to wait for
            await asyncio.sleep(0.01)


async def test_the_queue_shows_what_waits_and_why(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client:
        mails = await deferred(gate, hop, "a@x.example", "b@x.example", "c@x.example")
        await queued(client, mails)
        shown = (await client.get(f"/queue/{mails[0]}")).json()
        assert shown["failures"] == [{"recipient": "a@x.example", "status": "4.7.1", "answer": "451 4.7.1 greylisted"}]
        assert (shown["sender"], shown["attempts"], shown["held"]) == ("alice@acme.example", 1, False)
        page = (await client.get("/queue", params={"limit": 2})).json()
        by_id = sorted(mails)  # those of one millisecond are in no other order
        assert ([m["mail"] for m in page["mails"]], page["total"]) == (by_id[:2], 3)
        assert page["oldest_seconds"] > 0
        assert await listed(client, limit=2, cursor=page["next"]) == by_id[2:]
        assert (await client.get("/queue/nothing")).status_code == 404


async def test_hold_release_retry_and_drop(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client:
        held, dropped = mails = await deferred(gate, hop, "held@x.example", "dropped@x.example")
        await queued(client, mails)
        answer = await client.post(f"/queue/{held}/hold", json={"reason": "asked by the customer"})
        assert answer.json()["held"] is True
        assert await listed(client, held=True) == [held]
        assert (await client.post(f"/queue/{held}/retry")).status_code == 422
        assert (await client.post(f"/queue/{dropped}/release")).status_code == 422
        assert (await client.post(f"/queue/{dropped}/drop")).status_code == 422
        assert (await client.post(f"/queue/{dropped}/drop", json={"reason": ""})).status_code == 422
        assert (await client.post(f"/queue/{dropped}/drop", json={"reason": "sent twice"})).status_code == 204
        assert await listed(client) == [held]
        assert (await client.post(f"/queue/{held}/release")).json()["held"] is False
        await gate.facts.until(MailDelivered)
        (last,) = await deferred(gate, hop, "last@x.example")
        await queued(client, [last])
        assert (await client.post(f"/queue/{last}/retry", json={"reason": "now"})).status_code == 200
        await gate.facts.until(MailDelivered, 2)
    assert recipients(hop.received) == ["held@x.example", "last@x.example"]
    assert gate.facts.of(MailHeld)[0].reason == "asked by the customer"
    (event,) = gate.facts.of(MailDropped)
    assert (event.recipients, event.reason) == (("dropped@x.example",), "sent twice")
    assert event.by


async def test_an_accounts_token_sees_its_own_alone(gate, hop: NextHop):
    for account in ("acme", "other"):
        await gate.account(account)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as admin, gate.client("acme") as client:
        mine = await deferred(gate, hop, "a@x.example")
        others = await deferred(gate, hop, "b@x.example", account="other")
        await queued(admin, mine + others)
        assert await listed(client) == mine
        assert (await client.get("/queue", params={"account": "other"})).status_code == 403
        assert (await client.get(f"/queue/{others[0]}")).status_code == 404
        assert (await client.post(f"/queue/{others[0]}/drop", json={"reason": "not mine"})).status_code == 404
        assert (await client.get("/accounts/other/route")).status_code == 403
        assert (await client.put("/accounts/other/route", json="blackhole")).status_code == 403
        assert (await client.get("/accounts/acme/route")).status_code == 200
        nobody = await client.get("/queue", headers={"Authorization": "Bearer varco_acme_x"})
        assert nobody.status_code == 401


async def test_metrics_tell_the_oldest_age(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client:
        await queued(client, await deferred(gate, hop, "a@x.example"))
        text = (await client.get("/metrics")).text
    assert 'varco_relay_oldest_seconds{account="acme"}' in text
    assert 'varco_relay_queue_mails{account="acme"} 1.0' in text
    assert f'varco_relay_connections{{next_hop="127.0.0.1:{hop.port}"}} 1.0' in text


async def untried(client, **query) -> list[dict]:
    answer = await client.get("/queue", params=query)
    assert answer.status_code == 200
    return answer.json()["untried_mails"]


async def test_mails_before_their_first_attempt_are_listed_with_the_routes_reason(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 2)  # so that most of them lie behind those in hand
    for account in ("acme", "other"):
        await gate.account(account)
    await hop.stop()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client, gate.client("other") as other:
        mails = [await gate.mail(f"r{number}@x.example") for number in range(7)]
        await gate.mail("bob@x.example", account="other")
        await gate.facts.until(RouteFailed, 2)
        listed_mails = await untried(client, account="acme")
        assert [mail["mail"] for mail in listed_mails] == sorted(mails)
        assert {mail["recipients"][0] for mail in listed_mails} == {f"r{number}@x.example" for number in range(7)}
        assert all("can't connect" in mail["waits_for"] for mail in listed_mails)
        assert listed_mails[0]["next_hop"] == f"127.0.0.1:{hop.port}"
        assert [mail["account"] for mail in await untried(other)] == ["other"]
        assert len(await untried(client, limit=3)) == 3
        shown = (await client.get(f"/queue/{mails[-1]}")).json()
        assert (shown["attempts"], shown["failures"][0]["recipient"]) == (0, "r6@x.example")
        assert (await other.get(f"/queue/{mails[-1]}")).status_code == 404
        await hop.start()
        await gate.facts.until(MailDelivered, 8)
        assert await untried(client) == []


async def test_all_mail_of_an_account_is_held_and_released(gate, hop: NextHop):
    for account in ("acme", "other"):
        await gate.account(account)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        assert (await client.post("/accounts/acme/route/release")).status_code == 404
        held = await client.post("/accounts/acme/route/hold", params={"reason": "stolen password"})
        assert [change["line"] for change in held.json()["changes"]] == ["+ hold of all mail"]
        assert (await client.post("/accounts/acme/route/hold")).json()["changes"] == []
        mail = await gate.mail("bob@x.example")
        await gate.mail("carol@x.example", account="other")
        await gate.facts.until(MailDelivered)
        async with asyncio.timeout(60):
            while not (waiting := await untried(client)):  # noqa: ASYNC110 - an API has no events to wait for
                await asyncio.sleep(0.01)
        assert [(entry["mail"], entry["waits_for"]) for entry in waiting] == [(mail, "held by hand: stolen password")]
        shown = (await client.get("/accounts/acme/route")).json()
        assert (shown["held"], shown["waiting"]) == (True, "held by hand: stolen password")
        assert 'varco_relay_no_route{account="acme"} 0.0' in (await client.get("/metrics")).text
        assert (await client.post("/accounts/acme/route/release")).status_code == 200
        await gate.facts.until(MailDelivered, 2)
    assert gate.facts.of(RouteFailed) == []
    assert recipients(hop.received) == ["carol@x.example", "bob@x.example"]
    (event,) = gate.facts.of(DeliveryHeld)
    assert (event.account, event.reason) == ("acme", "stolen password")


async def test_mail_is_dropped_before_its_first_attempt_and_never_tried(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 2)  # so that the last one lies behind those in hand
    for account in ("acme", "other"):
        await gate.account(account)
    settings = {"default_route": f"127.0.0.1:{hop.port}"}
    async with gate.relay(**settings) as client, gate.client("other") as other:
        await client.post("/accounts/acme/route/hold")
        mails = [await gate.mail(f"r{number}@x.example", f"s{number}@x.example") for number in range(4)]
        async with asyncio.timeout(60):
            while len(await untried(client)) < 4:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert (await other.post(f"/queue/{mails[0]}/drop", json={"reason": "not mine"})).status_code == 404
        for mail in (mails[0], mails[3]):
            assert (await client.post(f"/queue/{mail}/drop", json={"reason": "account closes"})).status_code == 204
        await client.post("/accounts/acme/route/release")
        await gate.facts.until(MailDelivered, 2, timeout=60)
        async with asyncio.timeout(60):
            while await untried(client) or (await client.get("/queue")).json()["untried"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    assert recipients(hop.received) == ["r1@x.example", "s1@x.example", "r2@x.example", "s2@x.example"]
    assert [event.mail for event in gate.facts.of(MailDropped)] == [mails[0], mails[3]]
    assert gate.facts.of(MailDropped)[1].recipients == ("r3@x.example", "s3@x.example")


async def test_mail_in_the_middle_of_its_first_attempt_is_not_dropped(gate, hop: NextHop):
    await gate.account()
    end = SlowEnd(hop)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        mail = await gate.mail("bob@x.example")
        async with asyncio.timeout(60):
            await end.begun.wait()
            await client.post("/accounts/acme/route/hold")
            later = await gate.mail("later@x.example")
            while [entry["mail"] for entry in await untried(client) if entry["waits_for"]] != [later]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        refused = await client.post(f"/queue/{mail}/drop", json={"reason": "stolen"})
        assert (refused.status_code, "is being tried now" in refused.text) == (409, True)
        end.free.set()
        await gate.facts.until(MailDelivered, mail=mail, timeout=60)
    assert gate.facts.of(MailDropped) == []


async def test_a_drop_before_the_first_attempt_outlives_the_relay(gate, hop: NextHop):
    await gate.account()
    settings = {"default_route": f"127.0.0.1:{hop.port}"}
    async with gate.relay(**settings) as client:
        await client.post("/accounts/acme/route/hold")
        dropped, kept = await gate.mail("dropped@x.example"), await gate.mail("kept@x.example")
        async with asyncio.timeout(60):
            while len(await untried(client)) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert (await client.post(f"/queue/{dropped}/drop", json={"reason": "why"})).status_code == 204
    async with gate.relay(**settings) as client:
        await client.post("/accounts/acme/route/release")
        await gate.facts.until(MailDelivered, mail=kept, timeout=60)
        async with asyncio.timeout(60):
            while (await client.get("/queue")).json()["untried"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    assert recipients(hop.received) == ["kept@x.example"]


async def test_a_hold_outlives_the_relay_and_holds_the_queue_as_well(gate, hop: NextHop):
    await gate.account()
    settings = {"default_route": f"127.0.0.1:{hop.port}", "retry_first": "0.05s", "retry_longest": "0.05s"}
    async with gate.relay(**settings) as client:
        await client.post("/accounts/acme/route/hold")
    async with gate.relay(**settings) as client:
        mail = await gate.mail("bob@x.example")
        async with asyncio.timeout(60):
            while not (waiting := await untried(client)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert [entry["mail"] for entry in waiting] == [mail]
        hop.answer("bob@x.example", "451 4.7.1 greylisted")
        await client.post("/accounts/acme/route/release")
        await gate.facts.until(MailDelivered)
    assert len(gate.facts.of(MailDeferred)) == 1


async def test_all_mail_of_an_account_is_retried_and_dropped(gate, hop: NextHop):
    for account in ("acme", "other"):
        await gate.account(account)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as admin, gate.client("acme") as client:
        mails = await deferred(gate, hop, "a@x.example", "b@x.example", "held@x.example")
        others = await deferred(gate, hop, "c@x.example", account="other")
        await queued(admin, mails + others)
        await client.post(f"/queue/{mails[2]}/hold")
        assert (await client.post("/accounts/other/queue/retry")).status_code == 403
        assert (await client.post("/accounts/acme/queue/retry", json={"reason": "mended"})).json() == {"mails": 2}
        await gate.facts.until(MailDelivered, 2)
        async with asyncio.timeout(60):
            while await listed(client) != mails[2:]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert (await client.post("/accounts/acme/queue/drop")).status_code == 422
        assert (await client.post("/accounts/acme/queue/drop", json={"reason": "stolen"})).json() == {
            "mails": 1,
            "left": 0,
            "more": 0,
        }
        assert await listed(admin) == others
    assert recipients(hop.received) == ["a@x.example", "b@x.example"]


async def test_dropping_all_takes_what_waits_for_its_first_attempt_as_well(gate, hop: NextHop, monkeypatch):
    monkeypatch.setattr(account_worker, "MAX_IN_FLIGHT", 2)  # so that some lie behind those in hand
    for account in ("acme", "other"):
        await gate.account(account)
    settings = {"default_route": f"127.0.0.1:{hop.port}", **SLOW}
    async with gate.relay(**settings) as client:
        [tried] = await deferred(gate, hop, "tried@x.example")
        for account in ("acme", "other"):
            await client.post(f"/accounts/{account}/route/hold")
        waiting = [await gate.mail(f"r{number}@x.example", f"s{number}@x.example") for number in range(5)]
        others = await gate.mail("others@x.example", account="other")
        async with asyncio.timeout(60):
            while len(await untried(client)) < 6:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        answer = await client.post("/accounts/acme/queue/drop", json={"reason": "stolen"})
        assert answer.json() == {"mails": 6, "left": 0, "more": 0}
        again = await client.post("/accounts/acme/queue/drop", json={"reason": "stolen"})
        assert again.json()["mails"] == 0, "none is dropped twice"
        await client.post("/accounts/acme/route/release")
        after = await gate.mail("after@x.example")
        await gate.facts.until(MailDelivered, mail=after, timeout=60)
        async with asyncio.timeout(60):
            while [mail["mail"] for mail in await untried(client)] != [others]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    dropped = gate.facts.of(MailDropped)
    assert sorted(event.mail for event in dropped) == sorted([tried, *waiting])
    assert {event.reason for event in dropped} == {"stolen"}
    assert all(event.by for event in dropped)
    assert recipients(hop.received) == ["after@x.example"]


async def test_dropping_all_leaves_what_is_being_tried_and_what_is_on_its_way(gate, hop: NextHop):
    await gate.account()
    end = SlowEnd(hop)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        mail = await gate.mail("bob@x.example")
        async with asyncio.timeout(60):
            await end.begun.wait()
        up = await client.post("/accounts/acme/queue/drop", json={"reason": "stolen"})
        assert up.json() == {"mails": 0, "left": 1, "more": 0}, "the route takes mail"
        await client.post("/accounts/acme/route/hold")
        later = await gate.mail("later@x.example")
        async with asyncio.timeout(60):
            while [entry["mail"] for entry in await untried(client) if entry["waits_for"]] != [later]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        held = await client.post("/accounts/acme/queue/drop", json={"reason": "stolen"})
        assert held.json() == {"mails": 1, "left": 1, "more": 0}
        end.free.set()
        await gate.facts.until(MailDelivered, mail=mail, timeout=60)
    assert [event.mail for event in gate.facts.of(MailDropped)] == [later]


async def test_a_mail_whose_drop_is_being_recorded_is_not_tried_when_its_route_comes_back(
    gate, hop: NextHop, monkeypatch
):
    await gate.account()
    recording, free = asyncio.Event(), asyncio.Event()
    append = UntriedDrops._append

    async def slow_append(self, mail, context):
        recording.set()
        await free.wait()
        return await append(self, mail, context)

    monkeypatch.setattr(UntriedDrops, "_append", slow_append)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await client.post("/accounts/acme/route/hold")
        mail = await gate.mail("bob@x.example")
        async with asyncio.timeout(60):
            while not await untried(client):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        dropping = asyncio.create_task(client.post("/accounts/acme/queue/drop", json={"reason": "stolen"}))
        async with asyncio.timeout(60):
            await recording.wait()
        await client.post("/accounts/acme/route/release")
        after = await gate.mail("after@x.example")
        await gate.facts.until(MailDelivered, mail=after, timeout=60)
        free.set()
        assert (await dropping).json() == {"mails": 1, "left": 0, "more": 0}
    assert [event.mail for event in gate.facts.of(MailDropped)] == [mail]
    assert recipients(hop.received) == ["after@x.example"]


async def routes_of(client, **query) -> list[tuple[str, str]]:
    answer = await client.get("/routes", params=query)
    return [(route["account"], route["state"]) for route in answer.json()["routes"]]


async def test_routes_that_take_no_mail_come_first_with_the_reason_and_since_when(gate, hop: NextHop):
    for account in ("acme", "held", "other"):
        await gate.account(account)
    await gate.route(None, "acme")
    await hop.stop()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **SLOW) as client, gate.client("acme") as own:
        await gate.mail("bob@x.example", account="other")
        failures = await gate.facts.until(RouteFailed, 2)  # `held` has the same next hop
        [failed] = [event for event in failures if event.account == "other"]
        await client.post("/accounts/held/route/hold", params={"reason": "stolen password"})
        expected = [("held", "held"), ("other", "down"), ("acme", "up")]
        async with asyncio.timeout(60):
            while await routes_of(client) != expected:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        held, down, up = (await client.get("/routes")).json()["routes"]
        assert (held["words"], held["goes_to"]) == ("held by hand: stolen password", "-")
        assert (down["untried"], down["since"][:19]) == (1, failed.at.isoformat()[:19])
        assert "can't connect" in down["words"]
        assert down["hops"] == [{"name": f"127.0.0.1:{hop.port}", "down": down["words"]}]
        assert (up["goes_to"], up["words"], up["since"]) == ("blackhole", "", None)
        assert (await client.get("/accounts/other/route")).json()["since"] == down["since"]
        first = (await client.get("/routes", params={"limit": 2})).json()
        assert await routes_of(client, limit=2, cursor=first["next"]) == expected[2:]
        assert await routes_of(own) == expected[2:]
        assert (await own.get("/routes", params={"account": "other"})).status_code == 403
