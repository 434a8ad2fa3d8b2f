"""No owner or reader reaches another account through any URL of the console.

The routes are those of the application, so a new page is tried without a line here.
"""

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.integration.console_people import FOREIGN, ROUTES, People, form_token
from tests.integration.gate import Gate
from varco_common.events import PersonRole
from varco_console.web.access import Roles, declared_access

QUERIES = ("", "?account=other", "?what=altrui", "?account=&what=altrui&account=other", "?cursor=0&account=other")
LEFT_OUT = {"/login", "/logout", "/language"}  # they end the session, or echo what they are given


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


def answers(browser: httpx.Client, people: People, route: APIRoute) -> list[httpx.Response]:
    path = people.path(route, "foreign")
    if "GET" in route.methods:
        return [browser.get(path + query.replace(FOREIGN, "salut")) for query in QUERIES]
    token = form_token(browser.get("/me").text)
    fields = {"form_token": token, "account": "other", "reason": "a test", "limit": "5", "session": "x"}
    return [browser.post(path + query.replace(FOREIGN, "salut"), data=fields) for query in QUERIES[:2]]


@pytest.mark.parametrize("role", ["owner", "reader"])
def test_no_url_shows_or_changes_another_account(people: People, role: str):
    before = people.gate.varco("show", "other").stdout
    with people.signed_in(role) as browser:
        for route in ROUTES:
            if route.path in LEFT_OUT:
                continue
            for answer in answers(browser, people, route):
                assert FOREIGN not in answer.text, (route.path, answer.url)
                assert answer.status_code < 500, (route.path, answer.text)
    assert people.gate.varco("show", "other").stdout == before


def test_an_operator_sees_what_the_others_must_not(people: People):
    with people.signed_in("operator") as browser:
        assert FOREIGN in browser.get(f"/mails/{people.foreign}").text


@pytest.mark.parametrize("role", ["auditor", "reader"])
def test_who_may_read_alone_changes_nothing(people: People, role: str):
    """A form may be theirs if it only reads, such as a verification."""
    before = people.gate.varco("show", "acme").stdout
    with people.signed_in(role) as browser:
        token = form_token(browser.get("/me").text)
        for route in ROUTES:
            if (
                "POST" in route.methods
                and route.path not in LEFT_OUT
                and not route.path.startswith(("/me", "/password"))
            ):
                access = declared_access(route)
                assert isinstance(access, Roles), route.path
                answer = browser.post(people.path(route, "own"), data={"form_token": token, "reason": "a test"})
                assert answer.status_code == 403 or PersonRole(role) in access.roles, route.path
    assert people.gate.varco("show", "acme").stdout == before
