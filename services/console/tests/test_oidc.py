"""People sign in with a real OpenID provider, which runs as a process beside the console."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from varco_common.events import PersonSignedIn
from varco_common.testing import free_port
from varco_console.oidc import OidcAttempt, OidcClient, OidcFailure, OidcProvider

from .conftest import running_console
from .test_signing_in import events

MODULES = Path(__file__).parents[3] / ".venv/browser/node_modules"
SCRIPT = Path(__file__).with_name("openid_provider.mjs")

pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not (MODULES / "oidc-provider").is_dir(),
    reason="needs node, and oidc-provider from npm (.ci/run installs it)",
)


@asynccontextmanager
async def provider_process(redirect_uri: str) -> AsyncIterator[str]:
    """The issuer's URL. The process ends with the block."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPT),
        str(MODULES),
        str(port),
        redirect_uri,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout
        assert (await asyncio.wait_for(process.stdout.readline(), 60)).strip() == b"ready"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def console(nats, tmp_path):
    """A console that knows a running provider."""
    port = free_port()
    secret = tmp_path / "oidc.secret"
    secret.write_text("a-secret-of-the-test\n")
    async with (
        provider_process(f"http://127.0.0.1:{port}/login/provider/back") as issuer,
        running_console(nats, tmp_path, port, oidc_issuer=issuer, oidc_client_secret_file=secret) as console,
    ):
        yield console


async def sign_in(browser: httpx.AsyncClient, login: str) -> httpx.Response:
    """Follows the provider's pages as a person does; the console's last answer."""
    answer = await browser.get("/login/provider?next=/me")
    for _ in range(20):
        if answer.has_redirect_location:
            url = urljoin(str(answer.url), answer.headers["location"])
            if url.endswith("/me") or "/login/provider/back" in str(answer.url):
                return answer
            answer = await browser.get(url)
        elif "/login/provider/back" in str(answer.url):
            return answer
        else:
            answer = await browser.post(action(answer), data=fields(answer.text, login))
    raise AssertionError(answer.text)


def action(answer: httpx.Response) -> str:
    found = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
    assert found, answer.text
    return urljoin(str(answer.url), found[1])


def fields(html: str, login: str) -> dict[str, str]:
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    return hidden | ({"login": login, "password": "any"} if 'name="login"' in html else {})


async def test_who_the_provider_vouches_for_signs_in_under_their_name(console):
    await console.add("anna@acme.example", "operator")
    async with console.browser() as browser:
        assert "/login/provider" in (await browser.get("/login")).text
        answer = await sign_in(browser, "anna@acme.example")
        assert (answer.status_code, answer.headers["location"]) == (303, "/me"), answer.text
        assert "anna@acme.example" in (await browser.get("/me")).text
    [begun] = await events(console, PersonSignedIn)
    assert begun.person == "anna@acme.example"
    assert begun.provider.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("login", ["stranger@acme.example", "unverified@acme.example"])
async def test_strangers_and_unverified_addresses_do_not_sign_in(console, login):
    await console.add("unverified@acme.example", "operator")
    async with console.browser() as browser:
        assert (await sign_in(browser, login)).status_code == 403
        assert (await browser.get("/me")).status_code == 303
    assert await events(console, PersonSignedIn) == []


async def test_an_answer_for_another_browser_signs_nobody_in(console):
    await console.add("anna@acme.example", "operator")
    async with console.browser() as victim, console.browser() as attacker:
        begun = await victim.get("/login/provider")
        state = begun.headers["location"].partition("state=")[2].partition("&")[0]
        back = f"/login/provider/back?code=stolen&state={state}"
        assert (await attacker.get(back)).status_code == 403
        assert (await victim.get(back)).status_code == 403  # the code is not the provider's
        assert (await victim.get(back)).status_code == 403


async def test_a_provider_with_another_name_or_none_is_refused(console):
    attempt = OidcAttempt.new("/")
    async with httpx.AsyncClient() as http, provider_process("http://127.0.0.1:1/back") as issuer:
        wrong = OidcClient(issuer.replace("127.0.0.1", "localhost"), "varco", "", "email", "")
        away = OidcClient("http://127.0.0.1:1", "varco", "", "email", "")
        for client, text in ((wrong, "calls itself"), (away, "does not answer")):
            with pytest.raises(OidcFailure, match=text):
                await OidcProvider(client, http).authorization_url(attempt)


def test_a_cookie_of_another_form_is_no_attempt():
    attempt = OidcAttempt.new("/mails?what=a b")
    assert OidcAttempt.parse(attempt.cookie) == attempt
    assert OidcAttempt.parse("") is None
    assert OidcAttempt.parse("a b c") is None
