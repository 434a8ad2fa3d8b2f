"""An alert reaches whom VARCO_ALERT_TO names, by a real Alertmanager."""

import contextlib
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_what_monitoring_names_exists import alertmanager
from varco_common.testing import free_port
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import next_hop
from varco_common.testing.processes import Server
from varco_common.testing.waiting import eventually

BINARY = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
ALERT = {
    "labels": {"alertname": "VarcoServiceDown", "service": "relay", "severity": "critical"},
    "annotations": {"summary": "relay cannot be reached", "runbook": "varco status says whether it runs"},
}
SECONDS = 120.0

pytestmark = pytest.mark.skipif(
    not BINARY, reason="no Alertmanager is installed here (Debian: package prometheus-alertmanager)"
)


class Sink(BaseHTTPRequestHandler):
    """A webhook: keeps what it is sent."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def sink() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what it received."""
    received: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SinkOfThis", (Sink,), {"received": received}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.asynccontextmanager
async def fired(folder: Path, *, trusted: Path | None = None, **variables: str) -> AsyncIterator[None]:
    """Runs Alertmanager as its container does, except that it waits a second only, and fires."""
    file = alertmanager(folder, **variables)
    file.write_text(file.read_text().replace("group_wait: 30s", "group_wait: 1s"))
    port = free_port()
    command = [str(BINARY), f"--config.file={file}", f"--storage.path={folder}", "--cluster.listen-address="]
    server = Server(
        [*command, f"--web.listen-address=127.0.0.1:{port}"],
        folder / "alertmanager.log",
        port,
        {"SSL_CERT_FILE": str(trusted)} if trusted else None,
    )
    await server.start()
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            (await client.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=[ALERT])).raise_for_status()
        yield
    finally:
        await server.stop()


async def test_a_webhook_gets_the_alert(sink: tuple[str, list[dict[str, Any]]], tmp_path: Path):
    url, received = sink
    async with fired(tmp_path, VARCO_ALERT_TO=url):
        await eventually(lambda: len(received) > 0, SECONDS)
    assert received[0]["commonLabels"] == ALERT["labels"]
    assert received[0]["commonAnnotations"] == ALERT["annotations"]


async def test_a_channel_reads_what_happened_and_what_to_do(sink: tuple[str, list[dict[str, Any]]], tmp_path: Path):
    url, received = sink
    async with fired(tmp_path, VARCO_ALERT_TO=f"slack+{url}"):
        await eventually(lambda: len(received) > 0, SECONDS)
    [attachment] = received[0]["attachments"]
    assert attachment["title"] == "VarcoServiceDown (firing)"
    assert attachment["text"] == "relay cannot be reached\nvarco status says whether it runs\n"


async def test_an_operator_gets_a_mail(tmp_path: Path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    async with next_hop(context=certificate.server) as hop:
        variables = {"VARCO_ALERT_TO": "ops@acme.example", "VARCO_ALERT_SMARTHOST": f"127.0.0.1:{hop.port}"}
        async with fired(tmp_path, trusted=certificate.certificate, **variables):
            await eventually(lambda: len(hop.received) > 0, SECONDS)
    [mail] = hop.received
    assert (mail.sender, mail.recipients, mail.tls) == ("varco@smtp.acme.example", ("ops@acme.example",), True)
    message = message_from_bytes(mail.content, policy=policy.default)
    assert message["Subject"] == "Varco smtp.acme.example: VarcoServiceDown (firing)"
    page = message.get_body(("html",))
    assert page
    assert "relay cannot be reached" in page.get_content()
