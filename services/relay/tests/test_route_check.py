"""Each step of a route is checked, and each failure comes with what to do about it."""

import base64
import json

import pytest

from varco_common.events import OAuthProvider
from varco_common.testing import token_endpoint as says
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import NextHop
from varco_common.testing.token_endpoint import TokenError
from varco_relay import advice

from .test_oauth_routes import route
from .tokens import LOGIN

CHECK = "/accounts/acme/route/check"


def steps(answer) -> list[tuple[str, bool]]:
    (hop,) = answer.json()["hops"]
    return [(step["step"], step["ok"]) for step in hop["steps"]]


async def checked(gate, document, **settings):
    await gate.account()
    async with gate.relay(plain_oauth=True, **settings) as client:
        (await client.put("/accounts/acme/route", json=document)).raise_for_status()
        return await client.post(CHECK)


async def test_every_step_is_told_where_all_is_well(gate, token_hop, provider, tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    token_hop.context = certificate.server
    document = route(token_hop, provider) | {"tls": "required"}
    answer = await checked(gate, document, ca_file=certificate.certificate)
    assert steps(answer) == [("dns", True), ("connection", True), ("tls", True), ("token", True), ("login", True)]
    (hop,) = answer.json()["hops"]
    text = {step["step"]: step["text"] for step in hop["steps"]}
    assert "127.0.0.1" in text["dns"]
    assert "AUTH XOAUTH2 OAUTHBEARER" in text["connection"]
    assert "verified: certificate of 127.0.0.1, issued by CN=127.0.0.1, good until " in text["tls"]
    assert text["login"] == f"{LOGIN} is logged in by token (XOAUTH2)"
    assert answer.json()["ready"]
    assert not any(token in answer.text for token in provider.tokens)
    assert not token_hop.received


async def test_a_secret_that_has_expired_is_the_step_token(gate, token_hop, provider):
    provider.expired = ("gate",)
    answer = await checked(gate, route(token_hop, provider))
    assert steps(answer)[-1] == ("token", False)
    last = answer.json()["hops"][0]["steps"][-1]
    assert says.EXPIRED in last["text"]
    assert "make a new one" in last["advice"]
    assert not answer.json()["ready"]


async def test_a_refused_login_is_the_step_login(gate, token_hop, provider):
    token_hop.takes_token = lambda *_: False
    answer = await checked(gate, route(token_hop, provider))
    assert steps(answer)[-1] == ("login", False)
    assert "allowed to do" in answer.json()["hops"][0]["steps"][-1]["advice"]


async def test_a_token_without_the_permission_is_seen_before_it_is_shown(gate, token_hop, provider):
    def jwt(**claims: object) -> str:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return json.dumps({"access_token": f"e30.{payload}.c2ln", "expires_in": 3600})

    provider.script.extend([jwt(roles=["Mail.Read"]), jwt(roles=["Mail.Read"])])
    microsoft = {"provider": "microsoft", "tenant": "acme"}
    answer = await checked(gate, route(token_hop, provider, **microsoft))
    assert steps(answer)[-1] == ("token", False)
    assert "SMTP.SendAsApp" in answer.json()["hops"][0]["steps"][-1]["advice"]
    assert len(provider.requests) == 2  # the permission may be newer than the first token
    assert not any(line.startswith("AUTH") for line in token_hop.commands)


async def test_a_certificate_that_nobody_trusts_is_the_step_tls(gate, token_hop, provider, tmp_path):
    token_hop.context = self_signed(tmp_path, "127.0.0.1").server
    answer = await checked(gate, route(token_hop, provider) | {"tls": "required"})
    assert steps(answer) == [("dns", True), ("tls", False)]
    assert "VARCO_RELAY_CA_FILE" in answer.text


async def test_a_port_where_nothing_listens_is_the_step_connection(gate, token_hop, provider):
    document = route(token_hop, provider) | {"smarthost": "127.0.0.1:9"}
    answer = await checked(gate, document)
    assert steps(answer) == [("dns", True), ("connection", False)]
    assert "check the port" in answer.text


async def test_a_name_that_does_not_exist_is_the_step_dns(gate, token_hop, provider):
    answer = await checked(gate, route(token_hop, provider) | {"smarthost": "nowhere.invalid:25"})
    assert steps(answer) == [("dns", False)]


async def test_a_password_is_checked_as_well(gate, hop: NextHop):
    hop.logins = {"acme": "right"}
    document = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": "acme", "password": "right"}
    answer = await checked(gate, document)
    assert steps(answer) == [("dns", True), ("connection", True), ("tls", True), ("login", True)]
    assert "in clear" in answer.text


async def test_an_account_without_a_route_is_not_ready(gate):
    await gate.account()
    async with gate.relay() as client:
        answer = (await client.post(CHECK)).json()
    assert (answer["ready"], answer["why"]) == (False, "no route is set, and there is no default one")


@pytest.mark.parametrize(
    ("words", "provider", "part"),
    [
        (TokenError(401, "invalid_client", says.WRONG_CLIENT).description, OAuthProvider.MICROSOFT, "not its id"),
        (says.BAD_SCOPE, OAuthProvider.MICROSOFT, "outlook.office365.com/.default"),
        ("unauthorized_client: Client is unauthorized", OAuthProvider.GOOGLE, "Domain-wide delegation"),
        (says.BAD_ASSERTION_TIME, OAuthProvider.GOOGLE, "clock"),
        ("invalid_scope: x", OAuthProvider.GENERIC, "check scope"),
        ("something new", OAuthProvider.GENERIC, ""),
    ],
)
def test_what_a_provider_says_has_its_advice(words, provider, part):
    assert part in advice.advice_on_token(words, provider)
    assert bool(part) == bool(advice.advice_on_token(words, provider))


@pytest.mark.parametrize(
    ("words", "provider", "part"),
    [
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", None, "Set-CASMailbox"),
        ("550 5.7.30 Basic authentication is not supported", None, "use oauth"),
        ("535 5.7.3 Authentication unsuccessful", OAuthProvider.MICROSOFT, "SMTP.SendAsApp"),
        ("535 5.7.8 Username and Password not accepted", OAuthProvider.GOOGLE, "Domain-wide"),
    ],
)
def test_what_a_next_hop_says_has_its_advice(words, provider, part):
    assert part in advice.advice_on_login(words, provider)
