"""A next hop is logged in to with a token, by XOAUTH2 and by RFC 7628."""

import pytest

from varco_common.events import OAuthMechanism, TlsUse
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import REFUSED_TOKEN, NextHop
from varco_common.testing.token_endpoint import TokenEndpoint, TokenError
from varco_relay.smtp.connection_pool import PoolLimits
from varco_relay.smtp.pending_transaction import NotAttempted

from .pools import NO_RECONNECT, Pools, codes, down_reason, mail
from .tokens import LOGIN, credentials, tokens

TO_BOB = {"bob@x.example": 250}
ONCE = PoolLimits(reconnect=NO_RECONNECT)


@pytest.fixture
def token_hop(hop: NextHop, provider: TokenEndpoint) -> NextHop:
    hop.auth, hop.takes_token = ("LOGIN", "XOAUTH2", "OAUTHBEARER"), provider.takes
    return hop


def pool_to(hop: NextHop, pools: Pools, provider: TokenEndpoint, mechanism=OAuthMechanism.XOAUTH2, **more):
    oauth = credentials(provider, mechanism=mechanism)
    return pools.to(
        hop, **{"login": LOGIN, "oauth": oauth, "tls": TlsUse.NONE, "tokens": tokens(), "limits": ONCE} | more
    )


@pytest.mark.parametrize("mechanism", OAuthMechanism)
async def test_a_token_logs_in(token_hop: NextHop, pools: Pools, provider: TokenEndpoint, mechanism):
    assert await codes(pool_to(token_hop, pools, provider, mechanism), mail()) == TO_BOB
    assert token_hop.received[0].login == LOGIN
    assert [line.split()[1] for line in token_hop.commands if line.startswith("AUTH")] == [mechanism]


async def test_a_token_too_long_for_a_command_line_waits_for_334(token_hop: NextHop, pools: Pools, provider):
    await codes(pool_to(token_hop, pools, provider), mail())
    assert "AUTH XOAUTH2" in token_hop.commands


async def test_a_short_token_goes_with_the_command(token_hop: NextHop, pools: Pools, provider: TokenEndpoint):
    provider.script.append('{"access_token": "short", "expires_in": 3600}')
    provider.tokens.append("short")
    assert await codes(pool_to(token_hop, pools, provider), mail()) == TO_BOB
    assert "AUTH XOAUTH2" not in token_hop.commands


@pytest.mark.parametrize("mechanism", OAuthMechanism)
@pytest.mark.parametrize("explains", [True, False])
async def test_a_rejected_token_is_fetched_anew_once(token_hop, pools, provider: TokenEndpoint, mechanism, explains):
    token_hop.explains_refused_tokens = explains
    source = tokens()
    stale = await source.current(credentials(provider, mechanism=mechanism))
    provider.revoked.add(stale)
    assert await codes(pool_to(token_hop, pools, provider, mechanism, tokens=source), mail()) == TO_BOB
    assert len(provider.requests) == 2


async def test_two_rejected_tokens_are_a_route_that_is_down(token_hop: NextHop, pools: Pools, provider: TokenEndpoint):
    token_hop.takes_token = lambda *_: False
    result = await pool_to(token_hop, pools, provider).send(mail())
    assert isinstance(result, NotAttempted)
    assert f"refuses the login {LOGIN} with a token: 535 5.7.8" in result.reason
    assert REFUSED_TOKEN.decode() in result.reason
    assert len(provider.requests) == 2
    assert token_hop.received == []


@pytest.mark.parametrize(("mechanism", "answer"), [(OAuthMechanism.XOAUTH2, ""), (OAuthMechanism.OAUTHBEARER, "AQ==")])
async def test_the_explanation_of_a_refusal_is_answered(token_hop, pools, provider, mechanism, answer):
    """RFC 7628 3.2.3: the server refuses only then; without it, the session hangs."""
    token_hop.takes_token = lambda *_: False
    await down_reason(pool_to(token_hop, pools, provider, mechanism))
    assert token_hop.commands[-1] == answer


async def test_a_token_that_the_provider_refuses_is_a_route_that_is_down(token_hop, pools, provider: TokenEndpoint):
    provider.expired = ("gate",)
    pool = pool_to(token_hop, pools, provider)
    assert "AADSTS7000222" in await down_reason(pool)
    assert token_hop.connections == 0


async def test_a_provider_that_comes_back_brings_the_route_back(token_hop, pools, provider: TokenEndpoint):
    provider.script.extend([TokenError(503)] * 2)
    pool = pool_to(token_hop, pools, provider, limits=None)
    assert "HTTP 503" in await down_reason(pool)
    await token_hop.got(0)
    while pool.down_reason:
        await token_hop.news()
    assert await codes(pool, mail()) == TO_BOB


async def test_a_temporary_refusal_costs_no_token(token_hop: NextHop, pools: Pools, provider: TokenEndpoint):
    token_hop.answer("AUTH", "454 4.7.0 later")
    assert "454 4.7.0 later" in await down_reason(pool_to(token_hop, pools, provider))
    assert len(provider.requests) == 1


async def test_a_next_hop_without_the_mechanism_gets_no_token(token_hop: NextHop, pools: Pools, provider):
    token_hop.auth = ("PLAIN", "LOGIN")
    assert "offers only PLAIN, LOGIN" in await down_reason(pool_to(token_hop, pools, provider))
    assert not any(line.startswith("AUTH") for line in token_hop.commands)


async def test_a_token_isnt_sent_in_clear(token_hop: NextHop, pools: Pools, provider: TokenEndpoint):
    pool = pool_to(token_hop, pools, provider, tls=TlsUse.OPPORTUNISTIC)
    assert "without it the token isn't sent" in await down_reason(pool)
    assert not any(line.startswith("AUTH") for line in token_hop.commands)


async def test_a_token_travels_inside_verified_tls(token_hop: NextHop, pools: Pools, provider, tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    token_hop.context = certificate.server
    pool = pool_to(token_hop, pools, provider, tls=TlsUse.REQUIRED, trust=certificate.certificate)
    assert await codes(pool, mail()) == TO_BOB
    assert token_hop.received[0].tls


@pytest.mark.parametrize(
    "answer",
    [
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
    ],
)
async def test_where_passwords_are_switched_off_the_reason_says_what_to_use(hop: NextHop, pools: Pools, answer):
    hop.logins = {"acme": "right"}
    hop.answer("AUTH", answer)
    pool = pools.to(hop, login="acme", password="right", tls=TlsUse.NONE, limits=ONCE)
    assert f"{answer}. The provider takes no password here any more: use oauth" in await down_reason(pool)


@pytest.mark.parametrize(
    "answer",
    ["530 5.7.57 Client not authenticated to send mail", "550 5.7.30 Basic authentication is not supported"],
)
async def test_a_login_that_is_denied_at_the_mail_bounces_nothing(token_hop, pools: Pools, provider, answer):
    """Every mail would be answered so. The one that was goes when the next hop takes the login."""
    token_hop.answer("MAIL", answer)
    pool = pool_to(token_hop, pools, provider, limits=None)
    result = await pool.send(mail())
    assert result == NotAttempted(reason=f"the next hop takes no mail from {LOGIN}: {answer}")
    while pool.down_reason:
        await token_hop.news()
    assert await codes(pool, mail()) == TO_BOB
