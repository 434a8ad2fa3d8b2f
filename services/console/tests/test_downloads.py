"""Downloads that nobody reads hold up nobody else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from varco_common.testing import NatsServer, free_port
from varco_common.testing.waiting import eventually
from varco_console.service_apis import ServiceApis

from .conftest import form_token, running_console

COPIES = {"copies": [{"mail": "m1", "arrived": "2026-11-29T12:00:00+00:00"}], "next": None}


class Archive:
    """archive's API with one copy, whose text never ends."""

    def __init__(self) -> None:
        self.reading = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/m1 " not in head:
            body = json.dumps(COPIES).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            writer.close()
            return
        self.reading += 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nSubject: x\r\n")
        await reader.read()  # until the console hangs up
        self.reading -= 1
        writer.close()


@pytest.fixture
async def archive() -> AsyncIterator[tuple[Archive, str]]:
    archive = Archive()
    async with archive.listening() as url:
        yield archive, url


async def test_a_third_download_of_a_person_waits_for_the_others(nats: NatsServer, tmp_path, archive):
    archive, url = archive
    async with running_console(nats, tmp_path, free_port(), apis=f"archive={url}") as console:
        await console.add_with_password("olga", "owner", "acme")
        async with console.signed_in("olga") as browser:
            form = {"form_token": form_token((await browser.get("/me")).text), "reason": "a test"}

            def download():
                return browser.stream("POST", "/accounts/acme/copies/export", data=form)

            async with AsyncExitStack() as others:
                for _ in range(2):
                    answer = await others.enter_async_context(download())
                    assert answer.status_code == 200
                async with download() as third:
                    assert third.status_code == 429
                    assert b"2 of your downloads run already" in await third.aread()

            async def status() -> int:
                async with download() as answer:
                    return answer.status_code

            async def begins() -> bool:
                return await status() == 200

            await eventually(begins)


async def test_streams_leave_connections_for_pages(archive):
    archive, url = archive
    async with ServiceApis.open(None, {"archive": url}) as apis:

        async def held() -> None:
            async with apis.stream("archive", "GET", "/m1", "token"):
                await asyncio.Event().wait()

        streams = [asyncio.create_task(held()) for _ in range(100)]
        await eventually(lambda: archive.reading > 10)
        assert (await apis.call("archive", "GET", "/copies")).json() == COPIES
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
