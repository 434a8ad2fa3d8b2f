"""Only policy can make a token. What earlier versions made opens every service until revoked."""

import hashlib
import hmac
from datetime import UTC, datetime

import httpx
import pytest

from varco_banguard import app as banguard_app
from varco_banguard.settings import Settings as BanguardSettings
from varco_common.base.settings import variables
from varco_common.events import TokenRevoked
from varco_common.runtime.service import installed
from varco_common.testing.running import KEY
from varco_common.testing.waiting import eventually

ID = "0" * 20


def earlier(scope: str, key: str = KEY) -> str:
    """A token as every service could sign it before."""
    content = f"varco_{scope}_{ID}"
    return f"{content}_{hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest()}"


@pytest.fixture
async def banguard(start):
    async with start(banguard_app.serve, BanguardSettings) as running:
        yield running


async def status(banguard, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{banguard.port}", headers=headers) as http:
        return (await http.get("/bans")).status_code


async def test_a_token_of_an_earlier_version_goes_on_working(policy, banguard):
    assert await status(banguard, earlier("admin")) == 200
    assert await status(policy, earlier("admin")) == 404  # it has no /bans, but the token is not refused


async def test_nobody_but_policys_key_makes_a_token_of_an_earlier_version(policy, banguard):
    assert await status(banguard, earlier("admin", "x" * 64)) == 401
    assert await status(banguard, earlier("acme").replace("acme", "admin")) == 401


async def test_it_ends_when_it_is_revoked(policy, banguard, bus):
    assert await status(banguard, earlier("admin")) == 200
    await bus.events.append(TokenRevoked(at=datetime.now(UTC), account="admin", by="test", token=ID))

    async def refused() -> bool:
        return await status(banguard, earlier("admin")) == 401

    await eventually(refused, 30)


async def test_while_policy_is_away_it_is_neither_refused_nor_accepted(banguard):
    assert await status(banguard, earlier("admin")) == 503


def test_only_policy_reads_the_key_that_signs():
    readers = {
        service.name for service in installed() if "VARCO_TOKEN_KEY_FILE" in variables(service.settings).values()
    }
    assert readers == {"policy"}
