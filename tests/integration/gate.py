"""The whole gate as an operator runs it: `varco up` in its own home, on free ports."""

import asyncio
import contextlib
import json
import os
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from varco_cli.stack.bus import operator
from varco_cli.stack.settings import Ports
from varco_cli.stack.state_directory import StateDirectory
from varco_common.bus import Bus
from varco_common.events import AnyEvent
from varco_common.testing.processes import alive

T = TypeVar("T")
VARCO = str(Path(sys.executable).with_name("varco"))
START_SECONDS = 180.0
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 1.0


def wait_for(fact: Callable[[], T], seconds: float = 60.0) -> T:
    """Returns the first true value of `fact`. Raises TimeoutError with the last value.

    It rests as long as a look takes: that leaves CPU to what it waits for.
    """
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if value := fact():
            return value
        if (now := time.monotonic()) > end:
            raise TimeoutError(f"still {value!r} after {seconds} s")
        time.sleep(min(max(now - began, POLL_SECONDS), LONGEST_POLL_SECONDS))


class Gate:
    """A running stack. `settings` are further variables for it."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = StateDirectory(home)
        self.ports = Ports.free()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "COLUMNS"},  # tables as in a pipe
            "VARCO_HOME": str(home),
            "VARCO_API_PORT": str(self.ports.api),
            **self.ports.environment,
            **settings,
        }
        self.supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when everything is ready."""
        self.launch()
        wait_for(self.ready, START_SECONDS)

    def launch(self) -> None:
        """`varco up`, without waiting for it."""
        with (self.home.path.parent / "up.log").open("ab") as log:
            self.supervisor = subprocess.Popen([VARCO, "up"], env=self.environment, stdout=log, stderr=log)

    def stop(self) -> int:
        """Sends SIGTERM to the supervisor, and returns its exit code."""
        assert self.supervisor
        self.supervisor.terminate()
        return self.supervisor.wait(60)

    def ready(self) -> bool:
        assert self.supervisor
        assert self.supervisor.poll() is None, (self.home.path.parent / "up.log").read_text()
        with contextlib.suppress(FileNotFoundError, httpx.HTTPError, json.JSONDecodeError):
            return all(httpx.get(f"{url}/readyz", timeout=10).status_code == 200 for url in self.apis().values())
        return False

    def apis(self) -> dict[str, str]:
        """Returns the address of each service's HTTP API."""
        return dict(json.loads(self.home.state.read_text())["apis"])

    def pid(self, name: str) -> int:
        """Returns the pid of a process, or of that in which the service of this name runs."""
        return int(self.home.pid_file(self._process_of(name)).read_text().split()[0])

    def _process_of(self, name: str) -> str:
        groups: dict[str, list[str]] = json.loads(self.home.state.read_text())["groups"]
        return next((process for process, services in groups.items() if name in services), name)

    def kill(self, process: str) -> None:
        """Sends SIGKILL once the process runs. The stack starts it again."""
        wait_for(lambda: alive(self.pid(process)))
        os.kill(self.pid(process), 9)

    def varco(self, *arguments: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs `varco` as an operator types it."""
        return subprocess.run(
            [VARCO, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Returns what `varco ... --json` prints."""
        done = self.varco(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def apply(self, document: str) -> None:
        """Runs `varco apply --yes -f -`."""
        done = self.varco("apply", "--yes", "--prune", "-f", "-", stdin=document)
        assert done.returncode == 0, done.stdout + done.stderr

    def events(self, *facts: str) -> list[AnyEvent]:
        """Returns all events so far of these facts, such as `mail-refused`."""
        return asyncio.run(self._events([f"events.*.{fact}.*" for fact in facts]))

    async def _events(self, filters: list[str]) -> list[AnyEvent]:
        found: list[AnyEvent] = []
        async with Bus.connect(operator(self.home, "127.0.0.1", self.ports.nats), "operator") as bus:
            last = await bus.events.last_sequence(*filters)
            async with contextlib.aclosing(bus.events.follow(*filters)) as stored:
                while last and (event := await anext(stored)):
                    found.append(event.event)
                    if event.sequence >= last:
                        break
        return found

    @contextlib.contextmanager
    def smtp(self, source: str = "127.0.0.1", *, port: int = 0, tls: bool = False) -> Iterator[smtplib.SMTP]:
        """Returns a client on the SMTP port, from `source`; inside TLS on request."""
        client = smtplib.SMTP("127.0.0.1", port or self.ports.smtp, timeout=30, source_address=(source, 0))
        try:
            client.ehlo("client.test")
            if tls:
                client.starttls(context=trusting())
                client.ehlo("client.test")
            yield client
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()


def trusting() -> ssl.SSLContext:
    """Returns a TLS context that accepts the self-signed certificate of a gate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def transact(
    client: smtplib.SMTP, sender: str, recipients: list[str], body: bytes, options: str = ""
) -> tuple[int, str]:
    """Returns the answer to the first refused command, or to the end of data.

    `body` is sent as it is, dot-stuffed.
    """
    for command in (
        f"MAIL FROM:<{sender}> {options}".strip(),
        *(f"RCPT TO:<{address}>" for address in recipients),
        "DATA",
    ):
        code, text = client.docmd(command)
        if code >= 400:
            return code, text.decode()
    client.send(body + b".\r\n")
    code, text = client.getreply()
    return code, text.decode()


def mail(sender: str, body: str = "hello\r\n", **fields: str) -> bytes:
    """Returns a small mail in wire form."""
    head = {"From": sender, "To": "someone@dest.test", "Subject": "a test", **fields}
    return ("".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items()) + "\r\n" + body).encode()
