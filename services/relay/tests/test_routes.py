"""Routes over HTTP: set, removed, changed by two at once, and while mail is on its way."""

import asyncio

import pytest

from varco_common.events import (
    MailDeferred,
    MailDelivered,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    RouteRemoved,
    RouteSet,
    Smarthost,
)
from varco_common.testing.next_hop import NextHop, next_hop, recipients
from varco_common.testing.waiting import eventually
from varco_relay.secret_box import SecretBox

from .slow_end import SlowEnd

URL = "/accounts/acme/route"


def to(hop: NextHop) -> dict[str, str]:
    return {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none"}


async def version(client) -> int:
    return (await client.get(URL)).json()["version"]


async def test_a_route_is_set_shown_and_removed(gate, hop: NextHop):
    await gate.account()
    route = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": "acme", "password": "s3cret"}
    hop.logins = {"acme": "s3cret"}
    async with gate.relay(default_route="blackhole") as client:
        assert (await client.get("/accounts/acme/route")).json()["goes_to"] == "blackhole"
        dry = await client.put("/accounts/acme/route", params={"dry_run": True}, json=route)
        line = f"+ route 127.0.0.1:{hop.port} tls none as acme"
        assert (dry.json()["applied"], [c["line"] for c in dry.json()["changes"]]) == (False, [line])
        assert (await client.get("/accounts/acme/route")).json()["route"] is None
        done = await client.put("/accounts/acme/route", json=route)
        assert [c["line"] for c in done.json()["changes"]] == [line]
        again = await client.put("/accounts/acme/route", json=route)
        assert again.json()["changes"] == []
        shown = await client.get("/accounts/acme/route")
        assert shown.json()["route"] == {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": "acme"}
        assert "s3cret" not in shown.text
        await gate.mail()
        await hop.got(1)
        gone = await client.delete("/accounts/acme/route")
        assert gone.json()["changes"][0]["op"] == "remove"
        assert (await client.delete("/accounts/acme/route")).status_code == 404
        await gate.mail()
        await gate.facts.until(MailDelivered, 2)
    assert hop.received[0].login == "acme"
    assert len(hop.received) == 1
    (event,) = gate.facts.of(RouteSet)
    assert isinstance(event.route, Smarthost)
    assert event.by


async def test_a_route_that_makes_no_sense_is_refused(gate):
    await gate.account()
    async with gate.relay() as client:
        for route in (
            {"smarthost": "no port:x"},
            {"smarthost": "h:25", "tls": "perhaps"},
            {"smarthost": "h:25", "login": "a"},
            {"smarthost": "h:25", "password": "a"},
            {"smarthost": "h:25", "surprise": 1},
            {"smarthost": "a..b:25"},
            {"smarthost": "é" * 70 + ":25"},
            "whitehole",
        ):
            answer = await client.put("/accounts/acme/route", json=route)
            assert answer.status_code == 422, route
        assert gate.facts.of(RouteSet) == []
        assert (await client.get("/accounts/nobody/route")).status_code == 404


async def test_the_answer_to_a_change_names_the_version_that_the_route_then_has(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        assert await version(client) == 0
        dry = await client.put(URL, json=to(hop), params={"dry_run": True})
        assert (dry.json()["version"], dry.json()["applied"]) == (0, False)
        done = (await client.put(URL, json=to(hop), headers={"If-Match": '"0"'})).json()
        assert done["version"] > 0
        shown = await client.get(URL)
        assert (shown.json()["version"], shown.headers["ETag"]) == (done["version"], f'"{done["version"]}"')
        same = (await client.put(URL, json=to(hop))).json()
        assert (same["version"], same["changes"]) == (done["version"], [])
        removed = (await client.delete(URL, headers={"If-Match": f'"{done["version"]}"'})).json()
        assert removed["version"] > done["version"]


@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
async def test_a_change_for_an_older_version_is_refused(gate, hop: NextHop, verb):
    await gate.account()
    async with gate.relay() as client:
        old = (await client.put(URL, json=to(hop))).json()["version"]
        await client.put(URL, json="blackhole")
        body = {"json": to(hop)} if verb == "PUT" else {}
        answer = await client.request(verb, URL, headers={"If-Match": f'"{old}"'}, **body)
        assert answer.status_code == 409
        assert (await client.get(URL)).json()["route"] == "blackhole"
        assert (await client.request(verb, URL, headers={"If-Match": "new"}, **body)).status_code == 422


async def test_a_removed_route_is_a_newer_version_for_whoever_would_set_it(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        seen = (await client.put(URL, json=to(hop))).json()["version"]
        await client.delete(URL)
        answer = await client.put(URL, json="blackhole", headers={"If-Match": f'"{seen}"'})
        assert answer.status_code == 409
        assert (await client.get(URL)).json()["route"] is None


async def test_of_many_who_change_one_version_at_once_one_succeeds(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        seen = (await client.put(URL, json=to(hop))).json()["version"]
        headers = {"If-Match": f'"{seen}"'}
        smarthosts = [{"smarthost": f"mx{number}.example:25"} for number in range(6)]
        answers = await asyncio.gather(
            *(client.put(URL, json=smarthost, headers=headers) for smarthost in smarthosts),
            *(client.delete(URL, headers=headers) for _ in range(6)),
        )
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 11]
        assert await version(client) == next(a.json()["version"] for a in answers if a.status_code == 200)
    assert len(gate.facts.of(RouteSet)) + len(gate.facts.of(RouteRemoved)) == 2


async def test_a_change_is_decided_on_what_another_process_has_just_set(gate, hop: NextHop):
    """The relay may not have seen that event yet when the request comes."""
    await gate.account()
    async with gate.relay() as client:
        for _ in range(20):
            await gate.route(hop)
            (change,) = (await client.put(URL, json="blackhole")).json()["changes"]
            assert change["line"] == f"~ route 127.0.0.1:{hop.port} tls opportunistic -> blackhole"


async def test_only_settings_make_a_version(gate, hop: NextHop):
    """Deliveries, and a next hop that goes down and comes back, are facts of the account, too."""
    await gate.account()
    async with gate.relay() as client:
        before = (await client.put(URL, json=to(hop))).json()["version"]
        await gate.mail()
        await gate.facts.until(MailDelivered)
        await hop.stop()
        await gate.mail("later@x.example")
        await gate.facts.until(RouteFailed)
        await hop.start()
        await gate.facts.until(RouteRecovered)
        assert await version(client) == before
        answer = await client.put(URL, json="blackhole", headers={"If-Match": f'"{before}"'})
        assert answer.status_code == 200


async def test_a_route_can_be_set_while_mail_flows(gate, hop: NextHop):
    """Each delivery is an event of the account, too: the command decides anew, and succeeds."""
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        flowing = asyncio.create_task(flow(gate, 400))
        await gate.facts.until(MailDelivered, 50)
        for route in [*[to(hop), "blackhole"] * 4, to(hop)]:
            assert (await client.put(URL, json=route)).status_code == 200
        await flowing
        await gate.facts.until(MailDelivered, 400, timeout=60)
    assert len(gate.facts.of(RouteSet)) == 9


async def flow(gate, count: int) -> None:
    for number in range(count):
        await gate.mail(f"r{number}@x.example")


async def test_mail_on_its_way_ends_there_and_what_comes_later_takes_the_new_route(gate, hop: NextHop):
    await gate.account()
    end = SlowEnd(hop)
    async with next_hop() as new, gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await gate.mail("first@x.example")
        await end.begun.wait()
        setting = asyncio.create_task(client.put(URL, json=to(new)))
        await gate.facts.until(RouteSet)
        await gate.mail("second@x.example")
        await gate.facts.until(MailDelivered, 1)
        end.free.set()
        assert (await setting).status_code == 200
        await gate.facts.until(MailDelivered, 2)
        assert recipients(hop.received) == ["first@x.example"]
        assert recipients(new.received) == ["second@x.example"]


async def test_mail_that_waits_for_a_route_takes_the_new_one_at_once(gate, hop: NextHop):
    await gate.account()
    await hop.stop()
    async with next_hop() as new, gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await gate.mail("a@x.example")
        await gate.facts.until(RouteFailed)
        await client.put(URL, json=to(new))
        await gate.facts.until(MailDelivered)
        assert recipients(new.received) == ["a@x.example"]
    assert gate.facts.of(MailDeferred) == []


async def test_two_accounts_share_the_connections_to_one_next_hop(gate, hop: NextHop):
    for account in ("acme", "beta"):
        await gate.account(account)
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        await gate.mail(account="acme")
        await gate.facts.until(MailDelivered, 1)
        await gate.mail(account="beta")
        await gate.facts.until(MailDelivered, 2)
        learned = await gate.facts.until(RouteLearned, 2)
        assert f'varco_relay_connections{{next_hop="127.0.0.1:{hop.port}"}} 1.0' in (await client.get("/metrics")).text
    assert sorted(event.account for event in learned) == ["acme", "beta"]
    assert hop.connections == 1


async def test_a_password_that_another_key_encrypted_lets_mail_wait_and_says_why(gate, hop: NextHop):
    await gate.account()
    other = SecretBox.from_file(gate.home / "other.key")
    await gate.route(hop, login="acme", secret=other.encrypt("s3cret"), tls="none")
    hop.logins = {"acme": "s3cret"}
    async with gate.relay() as client:
        await gate.mail()
        shown = (await client.get(URL)).json()
        assert "another key" in shown["waiting"]
        assert 'varco_relay_no_route{account="acme"} 1.0' in (await client.get("/metrics")).text
        await client.put(URL, json=to(hop) | {"login": "acme", "password": "s3cret"})
        await gate.facts.until(MailDelivered)
    assert hop.received[0].login == "acme"


async def test_the_black_hole_is_shown_as_an_account_file_has_it(gate):
    await gate.account()
    async with gate.relay() as client:
        (change,) = (await client.put(URL, json="blackhole")).json()["changes"]
        assert change["line"] == "+ route blackhole"
        shown = (await client.get(URL)).json()
        assert (shown["route"], shown["goes_to"], shown["waiting"]) == ("blackhole", "blackhole", "")


async def test_a_route_may_be_set_before_its_account_is_opened(gate, hop: NextHop):
    async with gate.relay() as client:
        assert (await client.put(URL, json=to(hop))).status_code == 200
        await gate.account()
        await gate.mail()
        await gate.facts.until(MailDelivered)


async def test_a_route_outlives_a_restart(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        before = (await client.put(URL, json=to(hop))).json()["version"]
    async with gate.relay() as client:
        assert await version(client) == before
        await gate.mail()
        await gate.facts.until(MailDelivered)
        assert await eventually(lambda: len(hop.received) == 1)


async def test_an_account_reaches_no_private_address_and_an_operator_does(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as admin, gate.client("acme") as client:
        refused = await client.put(URL, json=to(hop))
        assert refused.status_code == 422
        assert "only an operator may set such a route" in refused.text
        # another way to write 127.0.0.1: only the resolver knows it
        assert (await client.put(URL, json={"smarthost": f"127.1:{hop.port}"})).status_code == 200
        await gate.mail()
        (failed,) = await gate.facts.until(RouteFailed)
        assert "private addresses only" in failed.why
        assert hop.connections == 0
        assert (await admin.put(URL, json=to(hop))).status_code == 200
        await gate.facts.until(MailDelivered)


async def test_an_account_reaches_private_addresses_where_that_is_allowed(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(private_routes=True), gate.client("acme") as client:
        assert (await client.put(URL, json=to(hop))).status_code == 200
        await gate.mail()
        await gate.facts.until(MailDelivered)


@pytest.mark.parametrize("host", ["a..b", "é" * 70])
async def test_a_host_that_idna_refuses_stops_one_account_only(gate, hop: NextHop, host):
    """Such a route may have been set by a version before this one."""
    for account in ("acme", "beta"):
        await gate.account(account)
    route = Smarthost(host=host, port=25)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=route))
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}") as client:
        for account in ("acme", "beta"):
            await gate.mail(account=account)
        (failed,) = await gate.facts.until(RouteFailed)
        await gate.facts.until(MailDelivered)
        assert failed.account == "acme"
        assert "can't connect to" in (await client.get(URL)).json()["waiting"]


@pytest.mark.parametrize("several", [False, True])
async def test_each_account_whose_mail_waits_has_an_event_that_says_why(gate, hop: NextHop, several):
    """Also the one that comes to a next hop that is down already, and the one without any route."""
    await gate.account()
    if several:
        await hop.stop()
    way = {"default_route": f"127.0.0.1:{hop.port}"} if several else {}
    async with gate.relay(**way):
        await gate.mail()
        await gate.facts.until(RouteFailed)
        if several:
            await gate.account("beta")
            await gate.mail(account="beta")
            await gate.facts.until(RouteFailed, 2)
            await hop.start()
            await gate.facts.until(RouteRecovered, 2)
    reason = "can't connect to" if several else "no route is set"
    assert all(reason in event.why for event in gate.facts.of(RouteFailed))
    assert [event.account for event in gate.facts.of(RouteFailed)] == ["acme", "beta"][: 1 + several]


async def test_a_route_is_tested_without_a_mail(gate, hop: NextHop):
    await gate.account()
    hop.logins = {"acme": "s3cret"}
    async with gate.relay() as client:
        assert (await client.post("/accounts/nobody/route/test")).status_code == 404
        answer = (await client.post(f"{URL}/test")).json()
        assert (answer["ready"], answer["why"]) == (False, "no route is set, and there is no default one")
        await client.put(URL, json={**to(hop), "login": "acme", "password": "wrong"})
        answer = (await client.post(f"{URL}/test")).json()
        assert not answer["ready"]
        assert "refuses the login acme" in answer["why"]
        await client.put(URL, json={**to(hop), "login": "acme", "password": "s3cret"})
        answer = (await client.post(f"{URL}/test")).json()
        assert (answer["ready"], answer["why"], answer["login"]) == (True, "", "acme")
        assert answer["goes_to"] == f"127.0.0.1:{hop.port} tls none as acme"
        await hop.stop()
        answer = (await client.post(f"{URL}/test")).json()
        assert "can't connect" in answer["why"]
        await client.put(URL, json="blackhole")
        assert (await client.post(f"{URL}/test")).json()["ready"]
    assert hop.received == []
