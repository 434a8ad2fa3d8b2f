"""What a page says after a change, and where an address leads that only takes forms."""

from .conftest import send_form


async def test_a_page_says_what_a_change_did(console):
    await console.add_with_password("anna", "operator")
    await console.add_with_password("bob", "reader", "acme")
    async with console.signed_in("anna") as browser:
        answer = await send_form(browser, "/people", "/people/bob/remove", reason="left")
        assert answer.headers["location"] == "/people?done=removed"
        assert "The person is removed, and signed out everywhere." in (await browser.get("/people?done=removed")).text


async def test_an_address_makes_a_page_say_nothing_but_its_own_texts(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        for query in ("done=nothing", "done=<b>", "done=", "done=title"):
            assert 'role="status"' not in (await browser.get(f"/people?{query}")).text
        said = (await browser.get("/me?done=session_ended&count=<b>1</b>")).text
        assert "The session is ended." in said
        assert "<b>" not in said


async def test_an_address_that_only_takes_forms_leads_to_the_page_above_it(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        for path, above in (
            ("/accounts/acme/difference", "/accounts/acme"),
            ("/accounts/acme/limits/exceptions/remove", "/accounts/acme/limits"),
            ("/accounts/acme/history/7/undo", "/accounts/acme/history"),
            ("/people/anna/link", "/people"),
            ("/me/sessions", "/me"),
            ("/language", "/"),
        ):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, above), path
        assert (await browser.get("/nothing")).status_code == 404
