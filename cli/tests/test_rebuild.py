"""`varco replay rebuild`: the services that have tables."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from varco_cli.running_processes import process_of
from varco_cli.stack import StateDirectory

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", sorted(entry.name for entry in SERVICES.iterdir() if entry.is_dir()))
def test_a_service_without_tables_is_said_to_have_none(service: str, varco: Callable[..., Any], tmp_path: Path) -> None:
    ended = varco("replay", "rebuild", service, home=tmp_path)
    tables = any((SERVICES / service).glob("varco_*/rebuild.py"))
    assert ("has no tables" in ended.error) == (not tables)
    assert ended.code == (3 if tables else 1)  # 3: no stack runs here


@pytest.mark.parametrize(("processes", "expected"), [(["nats", "services"], "services"), (["nats", "relay"], "relay")])
def test_the_process_of_a_service_is_known_under_an_earlier_supervisor(
    tmp_path: Path, clean: pytest.MonkeyPatch, processes: list[str], expected: str
) -> None:
    clean.setenv("VARCO_HOME", str(tmp_path))
    (tmp_path / "stack.json").write_text(json.dumps({"processes": processes, "services": ["policy", "relay"]}))
    assert process_of("relay") == expected
    assert process_of("nats") == "nats"


def patient() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


@contextmanager
def rebuilding(meanwhile: Callable[[], None]) -> Iterator[str]:
    """Yields the URL of a service, to which `meanwhile` happens while it rebuilds its tables."""

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            meanwhile()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"frame": "done", "equal": True, "swap": "relay.db"}).encode() + b"\n")

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_process_that_restarted_during_the_rebuild_is_the_one_that_restarts(
    varco: Callable[..., Any], clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = StateDirectory(tmp_path)
    home.pid_file("relay").parent.mkdir()
    before, after = patient(), patient()
    home.note_pid("relay", before.pid)

    def restart() -> None:
        before.kill()
        before.wait(60)
        home.note_pid("relay", after.pid)

    with rebuilding(restart) as url:
        clean.setenv("VARCO_APIS", f"relay={url}")
        clean.setenv("VARCO_TOKEN", "token")
        ended = varco("replay", "rebuild", "relay", "--swap", "--restart", home=tmp_path)
    assert ended.code == 0, ended.error
    assert after.wait(60) == -signal.SIGTERM
