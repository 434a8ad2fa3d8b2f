"""A further HTTP server beside the API: whom it takes for the client, and when it refuses."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from varco_common.runtime.uvicorn_server import listening


async def client_address(request: Request) -> PlainTextResponse:
    assert request.client
    return PlainTextResponse(request.client.host)


APP = Starlette(routes=[Route("/", client_address)])


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize(
    ("proxies", "address"),
    [((), "127.0.0.1"), (("192.0.2.0/24",), "127.0.0.1"), (("127.0.0.1", "10.0.0.0/8"), "198.51.100.7")],
    ids=["no proxy", "another proxy", "the proxies in a row"],
)
async def test_only_a_listed_proxy_names_the_client(proxies, address, lines):
    """A proxy appends to the line of the one before, or adds a line (RFC 9110 5.3)."""
    values = {1: ("203.0.113.9, 198.51.100.7, 10.1.2.3",), 2: ("203.0.113.9", "198.51.100.7, 10.1.2.3")}
    forwarded = [("X-Forwarded-For", value) for value in values.get(lines, ("203.0.113.9", "198.51.100.7", "10.1.2.3"))]
    async with (
        listening(APP, "127.0.0.1", 0, "PORT", max_requests=10, proxies=proxies) as port,
        httpx.AsyncClient(timeout=60) as client,
    ):
        response = await client.get(f"http://127.0.0.1:{port}/", headers=forwarded)
    assert response.text == address


async def test_more_requests_than_it_may_answer_at_once_hear_503():
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> PlainTextResponse:
        begun.set()
        await release.wait()
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", slow)])
    async with listening(app, "127.0.0.1", 0, "PORT", max_requests=1) as port, httpx.AsyncClient(timeout=60) as client:
        first = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
        await begun.wait()
        refused = await client.get(f"http://127.0.0.1:{port}/")
        release.set()
        assert (refused.status_code, (await first).text) == (503, "done")
