"""Every route asks who is there: each is tried with each role, and with nobody.

A new page needs no line here: the routes are those of the application.
"""

import re

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from httpx import codes

from varco_common.events import PersonRole
from varco_console.html_pages.catalogue import PAGES
from varco_console.web.access import Public, declared_access
from varco_console.web.application import check_access

from .conftest import PASSWORD, ROLES, form_token, send_form

ROUTES = [route for pages in PAGES for route in pages.routes if isinstance(route, APIRoute)]
REFUSED = (303, 403)


def path_of(route: APIRoute, account: str) -> str:
    """The path with this account, and something for every other parameter."""
    filled = route.path.replace("{account}", account)
    return re.sub(r"\{[^}]*\}", "none", filled)


def allowed(route: APIRoute, role: str) -> bool:
    access = declared_access(route)
    return isinstance(access, Public) or PersonRole(role) in access.roles


async def call(browser, route: APIRoute, account: str = "acme"):
    method = next(iter(route.methods))
    if method == "GET":
        return await browser.get(path_of(route, account))
    token = form_token((await browser.get("/me")).text)
    return await browser.post(path_of(route, account), data={"form_token": token})


async def keep_signed_in(browser, name: str) -> None:
    """Signs in where the route before ended the session: a check of a password costs much CPU."""
    if (await browser.get("/me")).status_code != codes.OK:
        answer = await send_form(browser, "/login", name=name, password=PASSWORD)
        assert answer.headers["location"] == "/", answer.text


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reaches_its_routes_and_no_others(console, role):
    for other in ROLES:
        await console.add_with_password(other, other, ROLES[other])
    async with console.browser() as browser:
        for route in ROUTES:
            if route.path in ("/logout", "/login"):
                continue
            await keep_signed_in(browser, role)
            answer = await call(browser, route)
            assert (answer.status_code == 403) is not allowed(route, role), (route.methods, route.path, role)


async def test_nobody_reaches_a_route_without_signing_in(console):
    async with console.browser() as browser:
        for route in ROUTES:
            if isinstance(declared_access(route), Public):
                continue
            for method in route.methods:
                answer = await browser.request(method, path_of(route, "acme"))
                assert answer.status_code in REFUSED, route.path
                assert "acme" not in answer.text


@pytest.mark.parametrize("role", ["owner", "reader"])
async def test_another_account_in_the_path_is_refused(console, role):
    await console.add_with_password(role, role, "acme")
    async with console.signed_in(role) as browser:
        for route in ROUTES:
            if "{account}" in route.path:
                assert (await call(browser, route, "other")).status_code == 403, route.path


async def test_a_change_without_its_form_token_is_refused(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        for route in ROUTES:
            if "POST" in route.methods:
                answer = await browser.post(path_of(route, "acme"), data={"form_token": "0" * 64})
                assert answer.status_code == 403, route.path


async def test_a_change_from_another_site_is_refused_even_with_its_token(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        token = form_token((await browser.get("/me")).text)
        answer = await browser.post("/logout", data={"form_token": token}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403


def test_a_route_that_names_no_roles_stops_the_start():
    routes = APIRouter()

    @routes.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match="/forgotten"):
        check_access(routes.routes)
