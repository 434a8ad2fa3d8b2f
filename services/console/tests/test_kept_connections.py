"""A service may close a kept connection in the moment in which the console asks by it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from varco_console.service_apis import ApiFailure, ServiceApis

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def one_answer_a_connection() -> AsyncIterator[str]:
    """The URL of a server that answers once and closes the connection at the next request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_question_is_asked_again_and_a_change_is_not():
    async with one_answer_a_connection() as url, ServiceApis.open(None, {"policy": url}) as apis:
        for _ in range(3):
            assert (await apis.call("policy", "GET", "/accounts")).status_code == 200
        with pytest.raises(ApiFailure, match="policy does not answer"):
            await apis.call("policy", "POST", "/accounts")
