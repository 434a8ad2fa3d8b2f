"""Routes with OAuth over HTTP: set, kept, changed; mail goes, or waits, and no secret is seen."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from varco_common.events import MailBounced, MailDelivered, RouteFailed, RouteRecovered, RouteSet, Smarthost
from varco_common.testing.next_hop import NextHop
from varco_common.testing.token_endpoint import TokenEndpoint
from varco_common.testing.waiting import eventually
from varco_relay.secret_box import SecretBox

from .tokens import LOGIN

URL = "/accounts/acme/route"


def route(hop: NextHop, endpoint: TokenEndpoint, **oauth) -> dict[str, object]:
    settings = {"provider": "generic", "client_id": "gate", "token_url": endpoint.url, "client_secret": "client-secret"}
    session = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": LOGIN}
    return {**session, "oauth": {key: value for key, value in (settings | oauth).items() if value is not None}}


async def test_mail_goes_with_a_token(gate, token_hop: NextHop, provider: TokenEndpoint, capfd):
    await gate.account()
    async with gate.relay(plain_oauth=True) as client:
        done = await client.put(URL, json=route(token_hop, provider))
        assert [change["line"] for change in done.json()["changes"]] == [
            f"+ route 127.0.0.1:{token_hop.port} tls none as {LOGIN} by token (generic)"
        ]
        await gate.mail()
        (received,) = await token_hop.got(1)
        await gate.facts.until(MailDelivered)
        shown = await client.get(URL)
    assert received.login == LOGIN
    assert shown.json()["route"]["oauth"] == {"provider": "generic", "client_id": "gate", "token_url": provider.url}
    seen = shown.text + done.text + "".join(map(repr, gate.facts.all)) + "".join(capfd.readouterr())
    with closing(sqlite3.connect(gate.home / "data" / "relay.sqlite")) as database:
        stored = database.execute("SELECT * FROM oauth_tokens").fetchall()
    assert len(stored) == 1
    for secret in ("client-secret", *provider.tokens):
        assert secret not in seen + str(stored)
    (event,) = gate.facts.of(RouteSet)
    sealed = SecretBox.from_file(gate.home / "secrets" / "relay.key").decrypt(event.route.oauth.secret)
    assert json.loads(sealed) == {"client_secret": "client-secret"}


async def test_a_restart_goes_on_with_the_token_that_it_had(gate, token_hop: NextHop, provider: TokenEndpoint):
    await gate.account()
    for count in (1, 2):
        async with gate.relay(plain_oauth=True) as client:
            if count == 1:
                await client.put(URL, json=route(token_hop, provider))
            await gate.mail()
            await token_hop.got(count)
    assert len(provider.requests) == 1


async def test_mail_waits_while_the_login_is_rejected_and_is_never_bounced(gate, token_hop, provider: TokenEndpoint):
    await gate.account()
    token_hop.takes_token = lambda *_: False
    async with gate.relay(plain_oauth=True) as client:
        await client.put(URL, json=route(token_hop, provider))
        await gate.mail()
        (failed,) = await gate.facts.until(RouteFailed)
        assert f"refuses the login {LOGIN} with a token: 535 5.7.8" in failed.why
        assert "535 5.7.8" in (await client.get(URL)).json()["waiting"]
        metrics = (await client.get("/metrics")).text
        assert 'varco_relay_route_down{account="acme"} 1.0' in metrics
        token_hop.takes_token = provider.takes
        await token_hop.got(1)
        await gate.facts.until(RouteRecovered)
    assert not gate.facts.of(MailBounced)


async def test_an_expired_secret_is_told_and_a_new_one_brings_the_mail(gate, token_hop, provider: TokenEndpoint):
    await gate.account()
    provider.expired = ("gate",)
    async with gate.relay(plain_oauth=True) as client:
        await client.put(URL, json=route(token_hop, provider))
        await gate.mail()
        (failed,) = await gate.facts.until(RouteFailed)
        assert "AADSTS7000222" in failed.why
        provider.expired, provider.clients = (), {"gate": "new-secret"}
        done = await client.patch(URL, json={"oauth": {"client_secret": "new-secret"}})
        assert [change["line"] for change in done.json()["changes"]] == ["~ route oauth changed"]
        await token_hop.got(1)
    assert failed.why not in repr(gate.facts.of(MailBounced))


async def test_a_token_endpoint_that_is_silent_blocks_nothing(gate, token_hop, provider: TokenEndpoint):
    await gate.account()
    await gate.account("other")
    await gate.route(None, "other")
    provider.script.append("HANG")
    async with gate.relay(plain_oauth=True) as client:
        await client.put(URL, json=route(token_hop, provider))
        await gate.mail()
        await eventually(lambda: provider.requests)
        async with asyncio.timeout(25):  # the endpoint is given up after 30
            other = await gate.mail(account="other")
            await gate.facts.until(MailDelivered, mail=other)
            assert (await client.get(URL)).status_code == 200


# What may be set


@pytest.mark.parametrize("kept", [{}, {"scope": "smtp.send"}, {"mechanism": "OAUTHBEARER"}])
async def test_the_secret_is_kept_while_host_login_and_client_stay(gate, token_hop, provider, kept):
    await gate.account()
    async with gate.relay(plain_oauth=True) as client:
        await client.put(URL, json=route(token_hop, provider))
        again = await client.put(URL, json=route(token_hop, provider, client_secret=None, **kept))
        assert again.status_code == 200
        assert len(again.json()["changes"]) == bool(kept)
        same = await client.put(URL, json=route(token_hop, provider, **kept))
        assert same.json()["changes"] == []
        await gate.mail()
        await token_hop.got(1)


@pytest.mark.parametrize("login", [LOGIN, "other@acme.example"])
@pytest.mark.parametrize("host", ["", "127.0.0.2:25"])
@pytest.mark.parametrize("client_id", ["gate", "other"])
@pytest.mark.parametrize("path", ["", "s"])
async def test_the_secret_goes_to_nobody_else(gate, token_hop, provider, login, host, client_id, path):
    """Whoever may change a route could else have the secret sent to a server of their own."""
    if (login, host, client_id, path) == (LOGIN, "", "gate", ""):
        return
    await gate.account()
    async with gate.relay(plain_oauth=True) as client:
        await client.put(URL, json=route(token_hop, provider))
        other = route(token_hop, provider, client_secret=None, client_id=client_id, token_url=provider.url + path)
        other |= {"login": login} | ({"smarthost": host} if host else {})
        refused = await client.put(URL, json=other)
        assert refused.status_code == 422
        assert "client_secret_file" in refused.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "x"}, "takes the place of a password"),
        ({"login": ""}, "needs a login"),
        ({"oauth": {"provider": "generic", "client_id": "a", "client_secret": "b"}}, "needs its token_url"),
        ({"oauth": {"provider": "microsoft", "client_id": "a", "client_secret": "b"}}, "needs its tenant"),
        ({"oauth": {"provider": "microsoft", "tenant": "t", "client_secret": "b"}}, "needs its client_id"),
        (
            {"oauth": {"provider": "microsoft", "tenant": "t", "client_id": "a"}},
            "client_secret_file or certificate_file",
        ),
        ({"oauth": {"provider": "google"}}, "service_account_file"),
        ({"oauth": {"provider": "microsoft", "tenant": "a/b", "client_id": "a", "client_secret": "b"}}, "tenant"),
        ({"oauth": {"provider": "yahoo"}}, "microsoft"),
    ],
)
async def test_what_no_token_can_be_got_with_is_refused(gate, token_hop, provider, change, words):
    await gate.account()
    async with gate.relay(plain_oauth=True) as client:
        refused = await client.put(URL, json=route(token_hop, provider) | change)
    assert refused.status_code == 422
    assert words in refused.text


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/token",
        "http://login.example/token",
        "ftp://login.example/",
        "https://user:secret@login.example/",
        "https:///token",
        "https://login.example:99999/",
        "https://login.example/#x",
        "login.example",
    ],
)
async def test_a_token_url_is_https(gate, token_hop, provider, url):
    await gate.account()
    async with gate.relay() as client:
        refused = await client.put(URL, json=route(token_hop, provider, token_url=url) | {"tls": "required"})
        assert refused.status_code == 422
        assert "expected a URL such as https://" in refused.text


async def test_a_token_goes_to_no_host_that_dns_names(gate, token_hop, provider):
    await gate.account()
    async with gate.relay() as client:
        document = route(token_hop, provider, token_url="https://login.example/") | {"tls": "required"}
        refused = await client.put(URL, json=document | {"smarthost": "mx:provider.example"})
        assert refused.status_code == 422
        assert "MX records could lead the token elsewhere" in refused.text


async def test_a_token_takes_verified_tls(gate, token_hop, provider):
    await gate.account()
    async with gate.relay() as client:
        for tls in ("none", "opportunistic"):
            refused = await client.put(
                URL, json=route(token_hop, provider, token_url="https://login.example/") | {"tls": tls}
            )
            assert "oauth needs tls: required" in refused.text


@pytest.mark.parametrize("url", ["https://169.254.169.254/token", "https://localhost/token", "https://10.0.0.1/"])
async def test_an_accounts_token_chooses_no_private_token_url(gate, token_hop, url):
    await gate.account()
    async with gate.relay() as operator, gate.client("acme") as client:
        private = {
            "smarthost": "mx.provider.example:587",
            "tls": "required",
            "login": LOGIN,
            "oauth": {"provider": "generic", "client_id": "a", "client_secret": "b", "token_url": url},
        }
        refused = await client.put(URL, json=private)
        assert refused.status_code == 422
        assert "is a private address or a local name" in refused.text
        private["oauth"]["token_url"] = "https://login.provider.example/"
        assert (await client.put(URL, json=private)).status_code == 200
        await gate.facts.until(RouteSet)
        (event,) = gate.facts.of(RouteSet)
        assert isinstance(event.route, Smarthost)
        assert event.route.oauth.public_only
        assert operator
