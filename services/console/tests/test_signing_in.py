"""Links, passwords, sessions and cookies."""

import asyncio
from datetime import UTC, datetime

import pytest

from varco_common.events import AuthFailed, PersonSignedIn, PersonSignedOut, SignOutCause
from varco_common.testing.waiting import eventually

from .conftest import OPENED, PASSWORD, send_form


async def events(console, kind):
    """All events of this kind so far."""
    filters = "events.console.>"
    last = await console.bus.events.last_sequence(filters)
    found = []
    if last:
        async for stored in console.bus.events.follow(filters):
            found += [stored.event] if isinstance(stored.event, kind) else []
            if stored.sequence >= last:
                break
    return found


async def test_a_link_sets_a_password_once(console):
    link = await console.add("anna", "operator")
    async with console.browser() as browser:
        answer = await send_form(browser, link, password=PASSWORD, again=PASSWORD)
        assert answer.status_code == 303
        assert (await browser.get(link)).status_code == 404
    async with console.signed_in("anna") as browser:
        assert (await browser.get("/")).status_code == 200


async def test_a_new_link_ends_the_one_before(console):
    first = await console.add("anna", "operator")
    second = (await console.admin.post("/people/anna/link")).json()["url"].removeprefix(console.url)
    async with console.browser() as browser:
        assert (await browser.get(first)).status_code == 404
        assert (await browser.get(second)).status_code == 200


async def test_a_short_or_mistyped_password_is_not_set(console):
    link = await console.add("anna", "operator")
    async with console.browser() as browser:
        assert (await send_form(browser, link, password="short", again="short")).status_code == 422
        assert (await send_form(browser, link, password=PASSWORD, again=PASSWORD + "x")).status_code == 422
        assert (await send_form(browser, link, password=PASSWORD, again=PASSWORD)).status_code == 303


async def test_wrong_name_and_wrong_password_are_answered_alike_and_are_strikes(console):
    await console.add_with_password("anna", "owner", "acme")
    async with console.browser() as browser:
        wrong = await send_form(browser, "/login", name="anna", password="nonsense")
        unknown = await send_form(browser, "/login", name="bert", password="nonsense")
    assert wrong.status_code == unknown.status_code == 403
    assert "Name, password or code is wrong" in wrong.text
    assert wrong.text.replace("anna", "bert") == unknown.text

    async def failures():
        return {(event.login, event.account, event.host) for event in await events(console, AuthFailed)}

    expected = {("anna", "acme", "127.0.0.1"), ("bert", "", "127.0.0.1")}
    await eventually(lambda: _is(failures, expected))


async def _is(values, expected):
    return await values() == expected


async def test_signing_in_and_out_are_events(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        cookie = browser.cookies["varco_session"]
        assert (await send_form(browser, "/", "/logout")).headers["location"] == "/login"
        assert (await browser.get("/", headers={"Cookie": f"varco_session={cookie}"})).status_code == 303
    [begun], [ended] = await events(console, PersonSignedIn), await events(console, PersonSignedOut)
    assert (begun.person, begun.host, begun.session) == ("anna", "127.0.0.1", ended.session)
    assert ended.cause is SignOutCause.SIGNED_OUT
    assert cookie.rpartition(".")[2] not in begun.session  # only a digest is stored


async def test_a_session_can_be_ended_from_another_one(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as lost, console.signed_in("anna") as kept:
        page = (await kept.get("/me")).text
        digest = page.partition('name="session" value="')[2].partition('"')[0]
        assert (await send_form(kept, "/me", "/me/sessions", session=digest)).status_code == 303
        assert (await lost.get("/")).status_code == 303
        assert (await kept.get("/")).status_code == 200


async def test_a_person_who_is_removed_is_signed_out(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        assert (await console.admin.delete("/people/anna")).status_code == 204
        assert (await browser.get("/")).status_code == 303


async def test_a_new_password_ends_all_sessions(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser, console.browser() as other:
        link = (await console.admin.post("/people/anna/link")).json()["url"].removeprefix(console.url)
        await send_form(other, link, password="another password", again="another password")
        assert (await browser.get("/")).status_code == 303


async def test_signing_in_leads_back_to_the_page_and_never_to_another_site(console):
    await console.add_with_password("anna", "operator")
    async with console.browser() as browser:
        asked = await browser.get("/me?x=1")
        assert asked.headers["location"] == "/login?next=%2Fme%3Fx%3D1"
    for bad in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        async with console.browser() as browser:
            answer = await send_form(browser, "/login", name="anna", password=PASSWORD, next=bad)
            assert answer.headers["location"] == "/"


async def test_an_owner_of_an_account_that_is_not_there_is_refused(console):
    answer = await console.admin.post("/people", json={"name": "anna", "role": "owner", "account": "nobody"})
    assert answer.status_code == 422
    assert "there is no account nobody" in answer.json()["detail"]


async def test_without_tls_cookies_are_sent_without_it(console):
    async with console.browser() as browser:
        assert "Secure" not in (await browser.get("/login")).headers["set-cookie"]


async def test_every_answer_has_a_strict_policy(console):
    async with console.browser() as browser:
        for path in ("/login", "/nowhere", "/static/console.js", "/livez"):
            policy = (await browser.get(path)).headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy


async def test_the_language_is_the_browsers_until_one_is_chosen(console):
    async with console.browser(**{"Accept-Language": "it-IT,it;q=0.9,en;q=0.5"}) as browser:
        assert "Accedi" in (await browser.get("/login")).text
        await send_form(browser, "/login", "/language", language="en", next="/login")
        assert "Sign in" in (await browser.get("/login")).text


async def test_many_can_sign_in_at_once(console):
    await console.add_with_password("anna", "operator")

    async def sign_in():
        async with console.signed_in("anna") as browser:
            return (await browser.get("/")).status_code

    assert await asyncio.gather(*(sign_in() for _ in range(5))) == [200] * 5


async def test_a_form_that_is_too_large_is_refused_before_it_is_read(console):
    async with console.browser() as browser:
        answer = await browser.post("/login", data={"name": "x" * 100_000})
        assert answer.status_code == 413

        async def endless():
            for _ in range(100):
                yield b"a=" + b"x" * 10_000 + b"&"

        answer = await browser.post(
            "/login", content=endless(), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code in (400, 413)  # FastAPI calls a body that it can't read whole a bad request


@pytest.mark.parametrize("path", ["//[", "https://[", "//evil.example", "/\\evil.example"])
async def test_no_path_that_was_asked_for_makes_an_error_of_ours(console, path):
    async with console.browser() as browser:
        assert (await browser.get("/login", params={"next": path})).status_code == 200
        answer = await browser.post("/login", data={"form_token": "0" * 64}, headers={"Origin": path})
        assert answer.status_code == 403


async def test_an_account_that_was_closed_and_opened_again_is_somebody_elses(console, monkeypatch):
    await console.add_with_password("olga", "owner", "acme")
    monkeypatch.setitem(OPENED, "acme", datetime.now(UTC))
    async with console.signed_in("olga") as browser:
        assert (await browser.get("/")).status_code == 403
