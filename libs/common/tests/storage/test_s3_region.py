"""A server that takes one region only: the client learns which, without a setting."""

import http.client
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from varco_common.storage.object_store import open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing import S3Server

REFUSED = (
    b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region 'us-east-1' is wrong; expecting 'eu-nl-1'"
    b"</Message><Region>eu-nl-1</Region></Error>"
)
SIGNED_RIGHT = re.compile(r"\d{8}(/|%2F)eu-nl-1(/|%2F)s3")


class Door(BaseHTTPRequestHandler):
    """Passes on to the real server, as they are, requests that are signed for its region."""

    protocol_version = "HTTP/1.1"
    behind: int

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not SIGNED_RIGHT.search(f"{self.path}{self.headers.get('Authorization')}"):
            self.answer(400, {"Content-Type": "application/xml"}, REFUSED)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name in {"Content-Type", "ETag"}}
            kept |= {"Last-Modified": response.headers["Last-Modified"]} if "Last-Modified" in response.headers else {}
            self.answer(response.status, kept, response.read())
        finally:
            connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def settings(s3: S3Server) -> Iterator[ObjectStoreSettings]:
    door = ThreadingHTTPServer(("127.0.0.1", 0), type("DoorOfThis", (Door,), {"behind": s3.port}))
    thread = threading.Thread(target=door.serve_forever)
    thread.start()
    yield replace(s3.settings, endpoint=f"http://127.0.0.1:{door.server_port}")
    door.shutdown()
    thread.join()
    door.server_close()


async def test_the_region_of_a_strict_server_is_learnt(settings: ObjectStoreSettings):
    store = open_store(settings, "varco-region")
    await store.ensure()
    await store.put("key", b"x" * 100_000)
    assert await store.get("key") == b"x" * 100_000
    await store.check()
    await store.close()


async def test_the_first_request_may_be_a_put(settings: ObjectStoreSettings):
    first = open_store(settings, "varco-region-put")
    await first.ensure()
    await first.close()
    store = open_store(settings, "varco-region-put")
    await store.put("key", b"x")
    assert await store.exists("key")
    await store.close()
