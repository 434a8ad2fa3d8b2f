"""The HTTP APIs: nothing is read for a stranger, and a token that is revoked opens nothing any
more.
"""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from varco_banguard import app as banguard_app
from varco_banguard.settings import Settings as BanguardSettings
from varco_common.events import TokenRevoked
from varco_common.runtime.follower_limit import MAX_STREAMS
from varco_common.runtime.request_size import MAX_BODY, MAX_OF_ALL, MAX_OF_CALLER
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing.running import KEY
from varco_common.testing.waiting import eventually


@pytest.fixture
async def banguard(start):
    async with start(banguard_app.serve, BanguardSettings) as running:
        yield running


async def answer_to_the_header(port: int, authorization: str, seconds: float = 60) -> bytes:
    """The status line for a request whose body never comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /bans HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {MAX_BODY}\r\n"
    writer.write(f"{head}{authorization}\r\n".encode() + b"[" * 1000)
    try:
        async with asyncio.timeout(seconds):
            return await reader.readline()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "authorization", ["", "Authorization: Bearer varco_admin_x_y\r\n", "Authorization: Basic x\r\n"]
)
async def test_a_body_is_not_read_before_the_token_is_checked(banguard, authorization):
    assert b" 401 " in await answer_to_the_header(banguard.port, authorization)


async def test_a_body_that_is_too_large_is_not_read_for_a_token_either(banguard):
    token = TokenSigner(KEY.encode()).mint_admin()[1]
    with pytest.raises(TimeoutError):  # it is waited for, since it may come
        await answer_to_the_header(banguard.port, f"Authorization: Bearer {token}\r\n", seconds=5)
    answer = await banguard.admin.post("/bans", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413


async def test_a_stream_ends_when_its_token_is_revoked(banguard, bus):
    token, text = TokenSigner(KEY.encode()).mint("acme")
    headers, url = {"Authorization": f"Bearer {text}"}, f"http://127.0.0.1:{banguard.port}/log?follow=true"
    async with httpx.AsyncClient() as http, http.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        revoked = TokenRevoked(at=datetime.now(UTC), account="acme", by="test", token=token.id)
        await bus.events.append(revoked)
        with pytest.raises(httpx.RemoteProtocolError):  # it is cut off, not ended as if it were whole
            async with asyncio.timeout(60):
                await answer.aread()
        assert (await http.get(url, headers=headers)).status_code == 401


async def test_a_token_follows_a_bounded_number_of_logs(banguard):
    async with banguard.client("acme") as account:
        streams = [
            await account.send(account.build_request("GET", "/log?follow=true"), stream=True)
            for _ in range(MAX_STREAMS)
        ]
        assert {answer.status_code for answer in streams} == {200}
        assert (await account.get("/log?follow=true")).status_code == 429
        assert (await banguard.admin.get("/log")).status_code == 200
        for answer in streams:
            await answer.aclose()


async def half_a_request(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request with a valid token that holds half of its body back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /bans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {MAX_BODY}\r\n\r\n"
    writer.write(head.encode() + b"[" * (MAX_BODY // 2))
    return reader, writer


async def test_the_bodies_of_one_account_s_requests_are_bounded_in_all(banguard):
    """A hundred requests of four megabytes took 430 MB."""
    keys = TokenSigner(KEY.encode())
    requests = [await half_a_request(banguard.port, keys.mint("acme")[1]) for _ in range(20)]
    within = MAX_OF_CALLER // (MAX_BODY // 2)
    lines = [asyncio.ensure_future(reader.readline()) for reader, _ in requests]
    await eventually(lambda: sum(line.done() for line in lines) >= len(requests) - within)
    refused = [line.result() for line in lines if line.done()]
    assert refused == [b"HTTP/1.1 503 Service Unavailable\r\n"] * (len(requests) - within)
    answer = await banguard.admin.put("/rules", json={})
    assert answer.status_code != 503, "others have room"
    for line, (_, writer) in zip(lines, requests, strict=True):
        line.cancel()
        writer.transport.abort()

    async def free() -> bool:
        async with banguard.client("acme") as account:
            answer = await account.post("/bans", content=b"[" * MAX_BODY)
            return answer.status_code != 503

    await eventually(free)


async def test_the_bodies_of_all_requests_are_bounded(banguard):
    keys = TokenSigner(KEY.encode())
    within = MAX_OF_ALL // (MAX_BODY // 2)
    names = [f"account{number}" for number in range(within + 2)]
    requests = [await half_a_request(banguard.port, keys.mint(name)[1]) for name in names]
    lines = [asyncio.ensure_future(reader.readline()) for reader, _ in requests]
    await eventually(lambda: sum(line.done() for line in lines) >= 2)
    assert [line.result() for line in lines if line.done()] == [b"HTTP/1.1 503 Service Unavailable\r\n"] * 2
    for line, (_, writer) in zip(lines, requests, strict=True):
        line.cancel()
        writer.transport.abort()
