"""A route that is brought back finds its secret, and nobody else's."""

import pytest

from varco_common.events import AccountOpened, MailDelivered, RouteRulesSet, RouteSet, Smarthost, TlsUse
from varco_common.testing.next_hop import NextHop
from varco_common.testing.token_endpoint import token_endpoint
from varco_relay.secret_box import SecretBox

from .test_oauth_routes import route
from .tokens import LOGIN

URL = "/accounts/acme/route"


def session(hop: NextHop, **more) -> dict[str, object]:
    return {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": "gate", **more}


async def test_a_route_that_comes_back_without_its_password_logs_in_with_it(gate, hop: NextHop):
    hop.logins = {"gate": "a-long-secret"}
    await gate.account()
    async with gate.relay() as client:
        (await client.put(URL, json=session(hop, password="a-long-secret"))).raise_for_status()
        (await client.put(URL, json="blackhole")).raise_for_status()
        back = await client.patch(URL, json=session(hop))
        assert back.status_code == 200, back.text
        await gate.mail()
        (event,) = await gate.facts.until(MailDelivered, timeout=60)
    assert event.host == f"127.0.0.1:{hop.port}"
    assert hop.received[0].login == "gate"


async def test_a_rule_and_a_token_come_back_too(gate, hop: NextHop):
    async with token_endpoint() as provider:
        hop.auth, hop.takes_token = ("XOAUTH2",), provider.takes
        await gate.account()
        rule = {"recipients": ["@x.example"], **route(hop, provider)}
        known = {"recipients": ["@x.example"], **route(hop, provider, client_secret=None)}
        async with gate.relay(plain_oauth=True, default_route="blackhole") as client:
            (await client.put("/accounts/acme/routes", json=[rule])).raise_for_status()
            (await client.put("/accounts/acme/routes", json=[])).raise_for_status()
            back = await client.put("/accounts/acme/routes", json=[known])
            assert back.status_code == 200, back.text
            await gate.mail("bob@x.example")
            await gate.facts.until(MailDelivered, timeout=60)
    assert hop.received[0].login == LOGIN
    assert len(gate.facts.of(RouteRulesSet)) == 3


@pytest.mark.parametrize("changed", [{"login": "other"}, {"smarthost": "mx.other.example:25"}])
async def test_a_secret_is_brought_back_for_its_own_host_and_login_alone(gate, hop: NextHop, changed):
    await gate.account()
    async with gate.relay() as client:
        (await client.put(URL, json=session(hop, password="a-long-secret"))).raise_for_status()
        (await client.put(URL, json="blackhole")).raise_for_status()
        refused = await client.put(URL, json=session(hop) | changed)
    asked = session(hop) | changed
    assert refused.status_code == 422, refused.text
    assert f"write `password` beside login {asked['login']} of {asked['smarthost']}" in refused.json()["detail"]


async def test_an_account_brings_no_secret_back_that_an_operator_removed(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(private_routes=True) as operator, gate.client("acme") as owner:
        (await operator.put(URL, json=session(hop, password="a-long-secret"))).raise_for_status()
        (await operator.put(URL, json="blackhole")).raise_for_status()
        refused = await owner.put(URL, json=session(hop))
        rule = {"recipients": ["@x.example"], **session(hop)}
        rules_refused = await owner.put("/accounts/acme/routes", json=[rule])
    assert (refused.status_code, rules_refused.status_code) == (422, 422)
    assert "write `password`" in refused.json()["detail"]


async def test_a_secret_is_not_brought_back_for_weaker_tls(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        safe = session(hop, password="a-long-secret") | {"tls": "required"}
        (await client.put(URL, json=safe)).raise_for_status()
        (await client.put(URL, json="blackhole")).raise_for_status()
        for tls, status in (("none", 422), ("opportunistic", 422), ("required", 200)):
            assert (await client.put(URL, json=session(hop) | {"tls": tls})).status_code == status


async def test_what_was_sealed_with_another_key_is_asked_for(gate, hop: NextHop, tmp_path):
    await gate.account()
    secret = SecretBox.from_file(tmp_path / "other.key").encrypt("a-long-secret")
    lost = Smarthost(host="127.0.0.1", port=hop.port, tls=TlsUse.NONE, login="gate", secret=secret)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=lost))
    await gate.route(None)
    async with gate.relay() as client:
        refused = await client.put(URL, json=session(hop))
    assert "write `password`" in refused.json()["detail"]


async def test_an_account_that_is_opened_again_finds_no_secret_of_the_one_before(gate, hop: NextHop):
    await gate.account()
    async with gate.relay() as client:
        (await client.put(URL, json=session(hop, password="a-long-secret"))).raise_for_status()
        (await client.put(URL, json="blackhole")).raise_for_status()
        await gate.account()
        await gate.facts.until(AccountOpened, 2, timeout=60)
        refused = await client.put(URL, json=session(hop))
    assert "write `password`" in refused.json()["detail"]
