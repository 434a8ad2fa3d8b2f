"""The page of bans follows its log without asking for all bans."""

import asyncio
import re

from varco_common.testing import NatsServer, free_port

from .conftest import running_console


async def test_the_ban_log_is_loaded_anew_without_all_bans(nats: NatsServer, tmp_path):
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode().partition("?")[0]
        asked.append(path)
        body = b"Ban 192.0.2.7" if path == "/log" else b"{}" if path == "/token-names" else b"[]"
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_console(nats, tmp_path, free_port(), apis=f"banguard={url},audit={url}") as console:
        await console.add_with_password("anna", "operator")
        async with console.signed_in("anna") as browser:
            page = (await browser.get("/bans")).text
            log = re.search(r'<section id="log" data-live="5" data-source="([^"]+)"', page)
            assert log, page
            asked.clear()
            assert '<section id="log"' in (answer := (await browser.get(log[1])).text)
            assert "Ban 192.0.2.7" in answer
            assert asked == ["/log"]
    server.close()
