"""Behind TLS each cookie is for its own host, over TLS alone, and out of reach of scripts."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from varco_common.testing import NatsServer, free_port
from varco_common.testing.certificates import Certificate, self_signed

from .conftest import PASSWORD, RunningConsole, form_token, running_console, send_form


@asynccontextmanager
async def tls_proxy(port: int, to: int, certificate: Certificate) -> AsyncIterator[None]:
    """Takes TLS at `port`, and passes what is in it on to `to`."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=certificate.server)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def console_behind_tls(nats: NatsServer, home: Path) -> AsyncIterator[tuple[RunningConsole, httpx.AsyncClient]]:
    """The console, and a browser that reaches it through the proxy."""
    inner, outer, certificate = free_port(), free_port(), self_signed(home, "localhost")
    url = f"https://localhost:{outer}"
    trusting = ssl.create_default_context(cafile=str(certificate.certificate))
    async with (
        running_console(nats, home, inner, url=url) as console,
        tls_proxy(outer, inner, certificate),
        httpx.AsyncClient(base_url=url, verify=trusting, timeout=60) as browser,
    ):
        console.url = url
        yield console, browser


def attributes(header: str) -> tuple[str, set[str]]:
    """The name of a cookie, and its attributes in lower case."""
    name_and_value, *others = header.split(";")
    return name_and_value.partition("=")[0], {other.strip().lower() for other in others}


async def test_every_cookie_is_bound_to_its_host_and_to_tls(nats: NatsServer, tmp_path: Path):
    async with console_behind_tls(nats, tmp_path) as (console, browser):
        link = await console.add("anna", "operator")
        steps = [
            await browser.get(link),
            await send_form(browser, link, password=PASSWORD, again=PASSWORD),
            await send_form(browser, "/login", name="anna", password=PASSWORD),
            await browser.get("/me"),
            await send_form(browser, "/me", "/language", language="it", next="/me"),
            await send_form(browser, "/me", "/logout"),
        ]
        headers = [header for answer in steps for header in answer.headers.get_list("set-cookie")]
    found = dict(map(attributes, headers))
    assert {"__Host-varco_session", "__Host-varco_form", "__Host-varco_language"} <= set(found)
    for name, given in map(attributes, headers):
        assert name.startswith("__Host-"), name
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= given, (name, given)
        assert not any(each.startswith("domain") for each in given), name


async def test_a_session_works_through_the_proxy_and_no_cookie_of_another_name_is_one(nats: NatsServer, tmp_path: Path):
    async with console_behind_tls(nats, tmp_path) as (console, browser):
        await send_form(browser, await console.add("anna", "operator"), password=PASSWORD, again=PASSWORD)
        signed_in = await send_form(browser, "/login", name="anna", password=PASSWORD)
        assert signed_in.status_code == 303
        assert form_token((await browser.get("/me")).text)
        secret = browser.cookies["__Host-varco_session"]
        browser.cookies.clear()
        stray = await browser.get("/me", headers={"Cookie": f"varco_session={secret}"})
        assert stray.status_code == 303, "a cookie that another host could have set is none"
        assert stray.headers["location"].startswith("/login")
