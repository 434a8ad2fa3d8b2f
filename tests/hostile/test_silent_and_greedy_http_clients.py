"""Connections that send nothing, or little at a time, keep no one else out."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from varco_common.runtime import uvicorn_server
from varco_common.runtime.http_connections import RequestLimit, bounded_protocol
from varco_common.runtime.uvicorn_server import bound_socket, listening
from varco_common.testing import free_port


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])


@asynccontextmanager
async def serving(**bounds):
    """A server with short times, on a port that is given."""
    sock = bound_socket("127.0.0.1", 0, "PORT")
    async with uvicorn_server.serving(APP, sock, protocol=bounded_protocol(**bounds)):
        yield sock.getsockname()[1]


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(10):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def test_two_hundred_idle_connections_do_not_stop_downloads():
    port = free_port()
    async with listening(APP, "127.0.0.1", port, "PORT", max_requests=20), AsyncExitStack() as stack:
        for _ in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/")).status_code == 200


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: y"])
async def test_a_header_that_does_not_come_ends_the_connection(beginning):
    async with serving(header_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)
        assert await ended(reader)
        writer.close()


async def test_a_header_that_drips_ends_the_connection():
    async with serving(header_seconds=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        over = asyncio.create_task(ended(reader))
        for byte in b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 100:
            writer.write(bytes([byte]))
            await asyncio.wait([over], timeout=0.02)
            if over.done():
                break
        assert over.done()
        writer.close()


async def test_a_body_that_does_not_come_ends_the_connection():
    async with serving(body_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert await ended(reader)
        writer.close()


async def test_the_oldest_idle_connection_makes_room():
    async with serving(max_idle=3) as port:
        first, *others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await ended(first[0])
        others[-1][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in await others[-1][0].readline()
        for _, writer in (first, *others):
            writer.close()


async def test_connections_are_used_again():
    async with serving(header_seconds=5.0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        for size in (0, 10, 1_000_000):
            assert (await http.post("/", content=b"x" * size)).text == str(size)


async def test_one_host_has_half_of_the_requests_at_most():
    release, statuses = asyncio.Event(), []

    async def slow(scope, receive, send):
        await release.wait()
        await PlainTextResponse("done")(scope, receive, send)

    limit = RequestLimit(slow, 4)

    async def request(host: str) -> int:
        async def send(message) -> None:
            if message["type"] == "http.response.start":
                statuses.append((host, message["status"]))

        await limit({"type": "http", "method": "GET", "headers": [], "client": (host, 1)}, None, send)

    greedy = [asyncio.create_task(request("192.0.2.1")) for _ in range(3)]
    others = [asyncio.create_task(request(f"2001:db8:{n}::1")) for n in range(3)]
    await asyncio.sleep(0)
    assert sorted(statuses) == [("192.0.2.1", 503), ("2001:db8:2::1", 503)]
    release.set()
    await asyncio.gather(*greedy, *others)
    assert statuses.count(("192.0.2.1", 200)) == 2
