"""A real Chromium visits every page: in each role, both languages, at phone and desktop width.

So it does with the pages that answer a form.

axe-core finds nothing serious, nothing is blocked by the policy of the page, and each page is light
and fits its window.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright

from tests.integration.console_people import PASSWORD, ROLES, ROUTES, People
from tests.integration.gate import Gate
from tests.integration.posted_pages import POSTED_PAGES, routes_with_pages, send
from varco_common.events import PersonRole
from varco_console.web.access import Public, declared_access

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
AXE = Path(__file__).parents[2] / ".venv/browser/node_modules/axe-core/axe.min.js"
WINDOWS = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}
LANGUAGES = ("en", "it")
MAX_BYTES = 100_000

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def paths(people: People, role: str) -> list[str]:
    """The pages that this role may see."""
    pages = [route for route in ROUTES if "GET" in route.methods and not route.path.endswith(".csv")]
    return [people.path(route, "own") for route in pages if _may_see(route, role)]


def _may_see(route: Any, role: str) -> bool:
    access = declared_access(route)
    return not isinstance(access, Public) and PersonRole(role) in access.roles


def signed_in(browser: Browser, people: People, role: str, language: str) -> tuple[BrowserContext, Page]:
    context = browser.new_context(locale=language, base_url=people.url, viewport=WINDOWS["phone"])
    page = context.new_page()
    page.goto("/login")
    page.get_by_label({"en": "Name", "it": "Nome"}[language], exact=True).fill(role)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name={"en": "Sign in", "it": "Accedi"}[language]).click()
    page.wait_for_url(f"{people.url}/")
    return context, page


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


def complaints_of(page: Page) -> list[str]:
    """What the browser complains of from now on; not that a form is refused, as it should be."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        of_the_page = message.location["url"] == page.url and "status of 4" in message.text
        if message.type == "error" and not of_the_page:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def check(page: Page, answer: Response, language: str) -> None:
    path = answer.url
    assert len(answer.body()) < MAX_BYTES, path
    assert page.locator("html").get_attribute("lang") == language
    for window in WINDOWS.values():
        page.set_viewport_size(window)
        assert page.evaluate("document.documentElement.scrollWidth") <= window["width"], (path, window)
        if AXE.exists():
            assert serious(page) == [], (path, window)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", ROLES)
def test_every_page_works_in_a_browser(browser: Browser, people: People, role: str, language: str):
    context, page = signed_in(browser, people, role, language)
    complaints = complaints_of(page)
    for path in paths(people, role):
        page.set_viewport_size(WINDOWS["desktop"])
        answer = page.goto(path)
        assert answer
        assert answer.status == 200, (path, answer.text())
        check(page, answer, language)
    assert complaints == []
    context.close()


def test_every_route_that_answers_a_form_with_a_page_is_visited():
    assert {route.path for route in routes_with_pages()} == POSTED_PAGES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_that_answers_a_form_works_in_a_browser(browser: Browser, people: People, language: str):
    """Each address is one that only takes forms, or shows another page: none leads elsewhere."""
    poster = f"poster-{language}"
    people.add(poster, "operator", "")
    places = {"account": "acme", "event": "1", "new": f"new-{language}", "link": people.link(f"next-{language}")}
    context, page = signed_in(browser, people, poster, language)
    complaints = complaints_of(page)
    set_factor(page)
    for path, posted in POSTED_PAGES.items():
        name = poster if path.endswith("second-factor") else places["new"]
        address, start = (text.format(name=name, **places) for text in (path, posted.start))
        page.set_viewport_size(WINDOWS["desktop"])
        page.goto(start)
        answer = send(page, address, {key: value.format(**places) for key, value in posted.fields.items()})
        assert answer.status == posted.status, (address, answer.text())
        assert page.url == f"{people.url}{address}"
        page.locator(posted.ready).first.wait_for(timeout=180_000)
        check(page, answer, language)
    assert complaints == []
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_form_that_is_refused_as_a_whole_is_answered_with_a_page(browser: Browser, people: People, language: str):
    context, page = signed_in(browser, people, "owner", language)
    complaints = complaints_of(page)
    for path, status in (("/bans/lift", 422), ("/people", 403), (f"/mails/{people.own}/ban", 422)):
        page.goto("/bans")
        answer = send(page, path, {"reason": "?"})
        assert answer.status == status, (path, answer.text())
        check(page, answer, language)
    assert complaints == []
    context.close()


def set_factor(page: Page) -> None:
    page.goto("/me/second-factor")
    secret = page.locator("input[name=secret]").get_attribute("value") or ""
    code = pyotp.TOTP(secret).now()
    answer = send(page, "/me/second-factor", {"secret": secret, "code": code, "proof": PASSWORD})
    assert answer.status == 200, answer.text()
    assert page.url.endswith("/me?done=factor_set")


def test_axe_is_there_where_npm_is():
    if not AXE.exists():
        pytest.skip("axe-core is not installed (.ci/run does it with npm)")


def test_results_appear_while_one_types(browser: Browser, people: People):
    context, page = signed_in(browser, people, "operator", "en")
    page.goto("/mails")
    assert page.locator("tbody tr").count() > 1
    page.get_by_label("What you know of it").press_sequentially(f"{people.own}")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=30_000)
    assert people.own in page.locator("tbody a").first.get_attribute("href")
    context.close()


def test_times_are_in_the_zone_of_the_browser(browser: Browser, people: People):
    context = browser.new_context(locale="en", timezone_id="Asia/Tokyo", base_url=people.url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name", exact=True).fill("operator")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"/mails/{people.own}")
    shown, utc = page.locator("time").first.inner_text(), page.locator("time").first.get_attribute("datetime")
    expected = page.evaluate(
        "at => new Intl.DateTimeFormat('en', {dateStyle: 'medium', timeStyle: 'medium', timeZone: 'Asia/Tokyo'})"
        ".format(new Date(at))",
        utc,
    )
    assert shown == expected
    context.close()


def test_pages_work_without_the_script(browser: Browser, people: People):
    context = browser.new_context(locale="en", base_url=people.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name", exact=True).fill("owner")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/mails")
    page.get_by_label("What you know of it").fill(people.own)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1, timeout=30_000)
    context.close()
