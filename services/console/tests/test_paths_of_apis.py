"""What a person types becomes one segment of a path of an API, never another path.

A new page needs no line here: the routes and their parameters are those of the application.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
from fastapi.routing import APIRoute

from varco_common.testing import NatsServer, free_port
from varco_console.html_pages.catalogue import PAGES
from varco_console.web.access import Public, declared_access

from .conftest import form_token, running_console

HARMLESS = "zz9"
ATTACKS = ("..", ".", "../..", "a/../..", "%2e%2e", "a/b", "a?b", "a#b", "a b", "..;", "\\..\\")
SERVICES = ("archive", "audit", "banguard", "domains", "filelink", "policy", "ratelimit", "relay")
ROUTES = [
    route
    for pages in PAGES
    for route in pages.routes
    if isinstance(route, APIRoute)
    and not isinstance(declared_access(route), Public)
    and not route.path.startswith(("/logout", "/me"))
]


class Apis:
    """All services in one: notes the path of each request, and answers with an empty list."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.paths.add(head.split(b" ", 2)[1].decode().partition("?")[0])
        if length := re.search(rb"(?i)content-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        await writer.drain()
        writer.close()


def encoded(text: str) -> str:
    """As a segment that no client shortens on its way."""
    return quote(text, safe="").replace(".", "%2E")


async def call(browser: httpx.AsyncClient, route: APIRoute, text: str, token: str) -> None:
    """With `text` in place of each parameter of the path, the query and the form."""
    path = re.sub(r"\{[^}]*\}", encoded(text), route.path)
    fields = {field.alias for field in (*route.dependant.query_params, *route.dependant.body_params)}
    values = {**dict.fromkeys(fields | {"account", "name", "login", "reason"}, text), "form_token": token}
    if "GET" in route.methods:
        await browser.get(path, params=values)
    else:
        await browser.post(path, data=values)


async def test_no_parameter_of_a_page_leads_to_another_path(nats: NatsServer, tmp_path):
    apis = Apis()
    async with apis.listening() as url:
        urls = ",".join(f"{service}={url}" for service in SERVICES)
        async with running_console(nats, tmp_path, free_port(), apis=urls) as console:
            await console.add_with_password("anna", "operator")
            async with console.signed_in("anna") as browser:
                token = form_token((await browser.get("/me")).text)

                async def paths(text: str) -> set[str]:
                    apis.paths.clear()
                    for route in ROUTES:
                        await call(browser, route, text, token)
                    return {*apis.paths}

                usual = await paths(HARMLESS)
                assert [path for path in usual if f"/{HARMLESS}/" in path], "a parameter is in a path"
                for text in ATTACKS:
                    expected = {path.replace(HARMLESS, quote(text, safe="")) for path in usual}
                    assert await paths(text) <= expected, text
