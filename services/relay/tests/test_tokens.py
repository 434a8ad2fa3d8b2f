"""Tokens are asked for as each provider wants it, kept, and replaced before they end."""

import asyncio
import base64
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from varco_common.events import OAuth, OAuthProvider
from varco_common.testing import token_endpoint as endpoint_answers
from varco_common.testing.certificates import self_signed
from varco_common.testing.token_endpoint import CUT, TokenEndpoint, TokenError, token_endpoint
from varco_relay.oauth import token_endpoint as http
from varco_relay.oauth.credentials import GOOGLE_SCOPE, MICROSOFT_SCOPE, OAuthCredentials, OAuthSecrets
from varco_relay.oauth.errors import TokenRefused, TokenUnavailable

from .tokens import LOGIN, Kept, certificate_for, credentials, rsa_key, service_account, tokens


@pytest.fixture
async def endpoint():
    async with token_endpoint() as running:
        yield running


# How each provider is asked


async def test_a_generic_provider_is_asked_by_http_basic(endpoint: TokenEndpoint):
    endpoint.basic = True
    assert await tokens().current(credentials(endpoint, scope="smtp send")) == endpoint.tokens[0]
    form = {"grant_type": "client_credentials", "scope": "smtp send", "client_id": "gate"}
    assert endpoint.requests == [{**form, "client_secret": "client-secret", "basic": "yes"}]


async def test_a_generic_provider_that_reads_the_form_alone_gets_a_form(endpoint: TokenEndpoint):
    endpoint.script.append(TokenError(401, "invalid_client", "what is Basic?"))
    await tokens().current(credentials(endpoint))
    assert ["basic" in form for form in endpoint.requests] == [True, False]


async def test_microsoft_is_asked_with_the_secret_in_the_form(endpoint: TokenEndpoint):
    endpoint.scopes = (MICROSOFT_SCOPE,)
    await tokens().current(credentials(endpoint, OAuthProvider.MICROSOFT, tenant="acme"))
    assert endpoint.requests == [
        {
            "grant_type": "client_credentials",
            "scope": MICROSOFT_SCOPE,
            "client_id": "gate",
            "client_secret": "client-secret",
        }
    ]


def test_microsofts_endpoint_is_that_of_the_tenant():
    oauth = OAuth(provider=OAuthProvider.MICROSOFT, tenant="acme.onmicrosoft.example", client_id="gate")
    made = OAuthCredentials.of(oauth, LOGIN, OAuthSecrets())
    assert made.token_url == "https://login.microsoftonline.com/acme.onmicrosoft.example/oauth2/v2.0/token"


async def test_microsoft_knows_a_certificate_by_its_thumbprint(endpoint: TokenEndpoint):
    endpoint.key, pem = rsa_key()
    both = certificate_for(pem)
    by_certificate = credentials(endpoint, OAuthProvider.MICROSOFT, OAuthSecrets(certificate=both), tenant="acme")
    assert await tokens().current(by_certificate) == endpoint.tokens[0]
    fingerprint = x509.load_pem_x509_certificate(both.encode()).fingerprint(hashes.SHA256())
    claims = endpoint.claims[0]
    assert claims["x5t#S256"] == base64.urlsafe_b64encode(fingerprint).decode().rstrip("=")
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("gate", "gate", endpoint.url)
    assert "client_secret" not in endpoint.requests[0]


async def test_a_service_account_of_google_acts_for_the_login(endpoint: TokenEndpoint):
    endpoint.key, pem = rsa_key()
    account = OAuthSecrets(service_account=service_account(pem))
    assert await tokens().current(credentials(endpoint, OAuthProvider.GOOGLE, account)) == endpoint.tokens[0]
    claims = endpoint.claims[0]
    assert (claims["sub"], claims["scope"], claims["kid"]) == (LOGIN, GOOGLE_SCOPE, "k1")
    assert claims["iss"] == "gate@project.iam.gserviceaccount.example"


async def test_a_refresh_token_that_the_provider_replaces_is_kept(endpoint: TokenEndpoint):
    endpoint.rotates, endpoint.refresh_tokens, endpoint.life = True, {"first"}, 0
    store, by_refresh = Kept(), credentials(endpoint, secrets=OAuthSecrets(refresh_token="first"))
    endpoint.clients["gate"] = ""
    await tokens(store).current(by_refresh)
    await tokens(store).current(by_refresh)  # after a restart
    assert [form["refresh_token"] for form in endpoint.requests] == ["first", "refresh-1"]


async def test_a_replaced_refresh_token_that_is_refused_gives_way_to_that_of_the_route(endpoint: TokenEndpoint):
    endpoint.rotates, endpoint.refresh_tokens, endpoint.life = True, {"first"}, 0
    store, by_refresh = Kept(), credentials(endpoint, secrets=OAuthSecrets(refresh_token="first"))
    endpoint.clients["gate"] = ""
    await tokens(store).current(by_refresh)
    endpoint.refresh_tokens = {"first"}
    assert await tokens(store).current(by_refresh) == endpoint.tokens[-1]


async def test_a_key_that_cannot_be_read_is_said_so(endpoint: TokenEndpoint):
    account = OAuthSecrets(service_account=service_account("no key"))
    with pytest.raises(TokenRefused, match="can't be used"):
        await tokens().current(credentials(endpoint, OAuthProvider.GOOGLE, account))
    assert not endpoint.requests


# When


async def test_a_token_is_asked_for_once_however_many_connections_want_it(endpoint: TokenEndpoint):
    source, wanted = tokens(), credentials(endpoint)
    given = await asyncio.gather(*(source.current(wanted) for _ in range(8)))
    assert given == endpoint.tokens * 8
    assert len(endpoint.requests) == 1


async def test_a_token_is_replaced_before_it_ends(endpoint: TokenEndpoint):
    endpoint.life = 299
    store, wanted = Kept(), credentials(endpoint)
    source = tokens(store)
    await source.current(wanted)
    assert await source.current(wanted) == endpoint.tokens[0]  # a fifth of its life is 60 s
    kept = store.tokens[wanted.key]
    assert 298 < kept.ends - datetime.now(UTC).timestamp() <= 299
    endpoint.life = 0
    later = tokens()
    assert await later.current(wanted) != await later.current(wanted)


async def test_a_token_that_is_good_is_used_while_the_provider_is_away(endpoint: TokenEndpoint):
    store, wanted = Kept(), credentials(endpoint)
    await tokens(store).current(wanted)
    token = store.tokens[wanted.key]
    now = datetime.now(UTC).timestamp()
    store.tokens[wanted.key] = type(token)(access_token=token.access_token, begins=now - 3500, ends=now + 100)
    endpoint.script.append(TokenError(503))
    assert await tokens(store).current(wanted) == token.access_token
    assert len(endpoint.requests) == 2


async def test_a_restart_asks_for_no_token_anew(endpoint: TokenEndpoint):
    store, wanted = Kept(), credentials(endpoint)
    assert await tokens(store).current(wanted) == await tokens(store).current(wanted)
    assert len(endpoint.requests) == 1


async def test_another_secret_asks_for_another_token(endpoint: TokenEndpoint):
    store = Kept()
    await tokens(store).current(credentials(endpoint))
    with pytest.raises(TokenRefused):
        await tokens(store).current(credentials(endpoint, secrets=OAuthSecrets(client_secret="wrong")))


@pytest.mark.parametrize("life", [None, "3600", -5, 1e30])
async def test_however_a_life_is_written_the_token_is_used(endpoint: TokenEndpoint, life):
    endpoint.life = life
    assert await tokens().current(credentials(endpoint)) == endpoint.tokens[0]


# What goes wrong


@pytest.mark.parametrize("skew", [-7_000, 7_000])
async def test_a_provider_whose_clock_differs_is_asked_by_its_own_clock(endpoint: TokenEndpoint, skew):
    endpoint.key, pem = rsa_key()
    endpoint.skew = skew
    account = OAuthSecrets(service_account=service_account(pem))
    store, wanted = Kept(), credentials(endpoint, OAuthProvider.GOOGLE, account)
    assert await tokens(store).current(wanted) == endpoint.tokens[0]
    left = store.tokens[wanted.key].ends - datetime.now(UTC).timestamp()
    assert 3590 < left <= 3600


async def test_a_token_refused_for_another_reason_names_the_difference_of_the_clocks(endpoint: TokenEndpoint):
    endpoint.key, _ = rsa_key()
    _, other = rsa_key()
    endpoint.skew = 7_000
    account = OAuthSecrets(service_account=service_account(other))
    with pytest.raises(TokenRefused, match=r"Invalid JWT Signature.*off the provider's"):
        await tokens().current(credentials(endpoint, OAuthProvider.GOOGLE, account))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"clients": {"gate": "another"}}, "AADSTS7000215: Invalid client secret"),
        ({"expired": ("gate",)}, "AADSTS7000222.*expired"),
        ({"scopes": ("other",)}, "invalid_scope: AADSTS70011"),
    ],
)
async def test_what_the_provider_refuses_is_told_in_its_words(endpoint: TokenEndpoint, fields, words):
    for name, value in fields.items():
        setattr(endpoint, name, value)
    wanted = credentials(endpoint, OAuthProvider.MICROSOFT, tenant="acme", scope="mine")
    with pytest.raises(TokenRefused, match=words) as refused:
        await tokens().current(wanted)
    assert "\n" not in str(refused.value)
    assert "client-secret" not in str(refused.value)


@pytest.mark.parametrize("wait", ["60", None])
async def test_a_provider_that_asks_to_wait_is_left_alone_so_long(endpoint: TokenEndpoint, wait):
    """As seconds, and as a date."""
    moment = formatdate(datetime.now(UTC).timestamp() + 61, usegmt=True)
    endpoint.script.append(TokenError(429, "", "", wait or moment))
    source, wanted = tokens(), credentials(endpoint)
    with pytest.raises(TokenUnavailable, match="HTTP 429") as refused:
        await source.current(wanted)
    assert 58 <= refused.value.retry_after <= 61
    with pytest.raises(TokenUnavailable, match="asked to wait"):
        await source.current(wanted)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (CUT, "cut off"),
        ("<html>", "no JSON"),
        ("[]", "no JSON"),
        ("[" * 20_000, "no JSON"),
        ("{}", "without an access_token"),
        ('{"access_token": "a\\u0001auth=Bearer b"}', "without an access_token"),
        ("x" * (http.MAX_ANSWER + 1), "larger than"),
        (TokenError(500), "HTTP 500"),
        (TokenError(400, "temporarily_unavailable", "later"), "later"),
    ],
)
async def test_an_answer_that_is_none_may_be_better_the_next_time(endpoint: TokenEndpoint, answer, words):
    endpoint.script.append(answer)
    source, wanted = tokens(), credentials(endpoint)
    with pytest.raises(TokenUnavailable, match=words):
        await source.current(wanted)
    assert await source.current(wanted) == endpoint.tokens[-1]


async def test_a_redirection_is_not_followed(endpoint: TokenEndpoint):
    endpoint.script.append(TokenError(302))
    with pytest.raises(TokenUnavailable, match="HTTP 302"):
        await tokens().current(credentials(endpoint))
    assert len(endpoint.requests) == 1


async def test_a_token_of_an_unknown_type_is_not_used(endpoint: TokenEndpoint):
    endpoint.script.append('{"access_token": "a", "token_type": "mac"}')
    with pytest.raises(TokenRefused, match="not Bearer"):
        await tokens().current(credentials(endpoint))


async def test_a_silent_provider_holds_up_nothing_else(endpoint: TokenEndpoint, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.2)
    endpoint.script.append(endpoint_answers.HANG)
    with pytest.raises(TokenUnavailable, match="does not answer"):
        await tokens().current(credentials(endpoint))


async def test_a_provider_that_is_gone_is_said_so(endpoint: TokenEndpoint):
    async with token_endpoint() as gone:
        wanted = credentials(gone)
    with pytest.raises(TokenUnavailable, match=r"can't connect to the token endpoint 127\.0\.0\.1"):
        await tokens().current(wanted)


async def test_an_account_cannot_make_the_gate_ask_a_private_address(endpoint: TokenEndpoint):
    with pytest.raises(TokenUnavailable, match="private addresses only"):
        await tokens().current(credentials(endpoint, public_only=True))
    assert not endpoint.requests


async def test_the_providers_certificate_is_verified(tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    async with token_endpoint(context=certificate.server) as endpoint:
        with pytest.raises(TokenUnavailable, match="certificate verify failed"):
            await tokens().current(credentials(endpoint))
        assert await tokens(trust=certificate.certificate).current(credentials(endpoint)) == endpoint.tokens[0]


def test_no_secret_appears_where_credentials_are_shown():
    secrets = OAuthSecrets(client_secret="s3cret", refresh_token="s3cret")
    oauth = OAuth(provider=OAuthProvider.GENERIC, token_url="https://x.example/token")
    made = OAuthCredentials.of(oauth, LOGIN, secrets)
    assert "s3cret" not in f"{secrets!r} {secrets} {made!r} {made.key}"
