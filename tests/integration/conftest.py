"""One gate and one next hop for all scenarios.

A scenario that breaks things starts its own gate.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.gate import Gate, wait_for
from varco_common.testing.next_hop import NextHop, Received

ACME = """\
account: acme
language: it
users:
  - {{login: alice@acme.test, password: correct-horse}}
senders: ["@acme.test", "sales@partner.test"]
networks: ["127.0.0.1/32"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
rules:
  max_size: 2MB
  max_recipients: 5
  attachments: {{allow: [pdf, txt, gif, jpg, jpeg, png]}}
"""


class Hop:
    """A real SMTP server in its own thread, which records every byte."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.loop = asyncio.new_event_loop()
        self.server = NextHop(port=port, host=host)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(self.server.start())

    def run(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)  # type: ignore[arg-type]

    def close(self) -> None:
        self.run(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def mail_for(self, recipient: str, seconds: float = 60.0) -> Received:
        """Returns the first mail that arrived for this recipient.

        All scenarios share this server: use an address that no other scenario uses.
        """
        return wait_for(lambda: self.server.for_recipient(recipient), seconds)[0]


@pytest.fixture(scope="session")
def hop() -> Iterator[Hop]:
    hop = Hop()
    yield hop
    hop.close()


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory, hop: Hop) -> Iterator[Gate]:
    """A gate with account acme: 127.0.0.1 may send without AUTH, other addresses may not."""
    gate = Gate(tmp_path_factory.mktemp("gate") / "home", VARCO_INGRESS_INLINE="256 KB")
    gate.start()
    try:
        gate.apply(ACME.format(port=hop.server.port))
        yield gate
    finally:
        assert gate.stop() == 0


@pytest.fixture
def own_gate(tmp_path: Path, hop: Hop) -> Iterator[Callable[..., Gate]]:
    """Starts gates that a scenario may break, and ends all of them with it."""
    gates: list[Gate] = []

    def start(**settings: str) -> Gate:
        gates.append(Gate(tmp_path / f"gate{len(gates)}" / "home", **settings))
        gates[-1].home.path.parent.mkdir()
        gates[-1].start()
        gates[-1].apply(ACME.format(port=hop.server.port))
        return gates[-1]

    yield start
    for gate in gates:
        gate.stop()
