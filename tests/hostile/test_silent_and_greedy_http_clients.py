"""Connections that send nothing, or little at a time, keep no one else out."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from varco_common.runtime import http_connections, uvicorn_server
from varco_common.runtime.http_connections import Connections, RequestLimit
from varco_common.runtime.uvicorn_server import bound_socket, listening
from varco_common.testing import free_port
from varco_common.testing.waiting import eventually


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])


@asynccontextmanager
async def serving(**bounds):
    """A server with short times, on a port that is given."""
    sock = bound_socket("127.0.0.1", 0, "PORT")
    async with uvicorn_server.serving(APP, sock, connections=Connections(**bounds)):
        yield sock.getsockname()[1]


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(60):
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

    limit = RequestLimit(slow, 4, Connections())

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


ENDLESS = 64 << 20  # bytes; more than all buffers between server and client hold


async def endless(request: Request) -> StreamingResponse:
    async def pieces():
        for _ in range(ENDLESS // 65_536):
            yield b"x" * 65_536

    return StreamingResponse(pieces())


async def large(request: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * ENDLESS)


DOWNLOADS = Starlette(routes=[Route("/endless", endless), Route("/large", large), Route("/", echo)])


@asynccontextmanager
async def downloads(connections: Connections, max_requests: int | None = None):
    sock = bound_socket("127.0.0.1", 0, "PORT")
    async with uvicorn_server.serving(DOWNLOADS, sock, max_requests=max_requests, connections=connections):
        yield sock.getsockname()[1]


@asynccontextmanager
async def reader_of(port: int, path: str):
    """A client that has asked and reads nothing by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.transport.abort()


async def received(reader: asyncio.StreamReader) -> int:
    """The bytes that come until the connection ends or nothing is missing."""
    size = 0
    with suppress(ConnectionError):
        while size < ENDLESS and (piece := await reader.read(1 << 20)):
            size += len(piece)
    return size


async def test_a_client_that_takes_nothing_of_a_download_loses_it():
    connections = Connections(read_seconds=0.3)
    async with downloads(connections) as port, reader_of(port, "/endless") as reader:
        await eventually(lambda: connections._paused)
        await eventually(lambda: not connections._paused)
        assert await received(reader) < ENDLESS


async def test_slow_readers_make_room_for_others(monkeypatch):
    monkeypatch.setattr(http_connections, "MAX_PAUSE_SECONDS", 0.0)
    connections = Connections()
    async with downloads(connections, max_requests=20) as port, AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(reader_of(port, "/endless"))
        await eventually(lambda: len(connections._paused) == 20)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            for _ in range(5):
                assert (await http.get("/")).status_code == 200


async def test_readers_that_are_not_slow_lose_nothing_to_others(monkeypatch):
    connections = Connections()
    async with downloads(connections, max_requests=2) as port, AsyncExitStack() as stack:
        monkeypatch.setattr(http_connections, "MAX_PAUSE_SECONDS", 3_600.0)
        readers = [await stack.enter_async_context(reader_of(port, "/endless")) for _ in range(2)]
        await eventually(lambda: len(connections._paused) == 2)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            assert (await http.get("/")).status_code == 503
        assert [size >= ENDLESS for size in await asyncio.gather(*map(received, readers))] == [True, True]


async def test_the_rest_of_a_response_has_time_as_long_as_it_is_taken():
    """The server has written it all and would wait for the next request."""
    async with downloads(Connections(header_seconds=0.5)) as port, reader_of(port, "/large") as reader:
        size = 0
        while size < ENDLESS and (piece := await reader.read(1 << 20)):
            size += len(piece)
            await asyncio.sleep(0.02)
        assert size >= ENDLESS


async def test_the_rest_of_a_response_that_nobody_takes_ends():
    connections = Connections(header_seconds=0.2)
    async with downloads(connections) as port, reader_of(port, "/large") as reader:
        await eventually(lambda: connections._idle)
        await eventually(lambda: not connections._idle)
        assert await received(reader) < ENDLESS


async def test_a_host_with_many_idle_connections_makes_room_with_its_own():
    connections = Connections(header_seconds=600.0, max_idle=3)
    async with downloads(connections) as port:
        hosts = ("127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.3", "127.0.0.3")
        opened = [await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0)) for host in hosts]
        assert await ended(opened[1][0])
        assert await ended(opened[2][0])
        assert sorted(connections._idle.values()) == ["127.0.0.2", "127.0.0.3", "127.0.0.3"]
        for _, writer in opened:
            writer.transport.abort()
