"""`varco tokens rotate`: another admin token in the file, and the old one ends."""

import httpx
import pytest
from cli.tests.conftest import Varco

from varco_cli.stack import Stack
from varco_common.runtime.tokens import token_parts
from varco_common.testing.waiting import eventually


async def refused(url: str, token: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url, headers={"Authorization": f"Bearer {token}"})).status_code == 401


@pytest.mark.asyncio(loop_scope="session")
async def test_the_old_admin_token_ends_and_the_file_has_another_one(stack: Stack, varco: Varco) -> None:
    old = stack.token
    assert varco("tokens", "rotate", "--reason", "a test", home=stack.home.path).code == 0
    new = stack.token
    assert token_parts(new).token.id != token_parts(old).token.id
    assert stack.home.admin_token.stat().st_mode & 0o777 == 0o600
    assert varco("accounts", "list", home=stack.home.path).code == 0
    for service in ("policy", "relay"):
        url = f"{stack.apis[service]}/accounts/acme" + ("/route" if service == "relay" else "")
        await eventually(lambda url=url: refused(url, old))
        assert not await refused(url, new)


def test_what_is_printed_is_the_new_token(stack: Stack, varco: Varco, clean: pytest.MonkeyPatch) -> None:
    before = stack.token
    issued = varco("tokens", "issue", "another admin", home=stack.home.path).out.strip()
    clean.setenv("VARCO_TOKEN", issued)
    rotated = varco("tokens", "rotate", "--print", home=stack.home.path)
    assert rotated.code == 0, rotated.error
    assert token_parts(rotated.out.strip()).token.id not in {token_parts(text).token.id for text in (issued, before)}
    assert stack.token == before
