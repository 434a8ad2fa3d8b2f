"""A flood by SMTP is completely in the mailbox within a second of its end.

The metrics say that nothing is behind.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for

FILE = """\
account: flood
senders: ["@flood.test"]
networks: ["127.0.9.0/24"]
route: blackhole
archive: {pop3: {login: box@flood.test, password: another-secret}, senders_told: "HR"}
"""
CONNECTIONS, EACH = 10, 100


def test_a_flood_by_smtp_is_in_the_mailbox_a_second_after_its_end(gate: Gate, hop: Hop) -> None:
    assert hop
    gate.apply(FILE)

    def one(number: int) -> None:
        with gate.smtp(f"127.0.9.{number + 1}") as client:
            for each in range(EACH):
                body = mail("a@flood.test", Subject=f"{number} {each}")
                code, text = transact(client, "a@flood.test", [f"to{each}@elsewhere.test"], body)
                assert code == 250, text

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(one, range(CONNECTIONS)))
    ended = time.monotonic()
    with api(gate) as http:
        wait_for(lambda: http.get("/accounts/flood/archive/status").json()["copies"] == CONNECTIONS * EACH)
        assert time.monotonic() - ended < 1.0
        wait_for(lambda: figures(http)["varco_archive_index_pending"] == 0)
        assert figures(http)["varco_archive_index_lag_seconds"] < 1.0


def figures(http: httpx.Client) -> dict[str, float]:
    lines = (line.split() for line in http.get("/metrics").text.splitlines() if line.startswith("varco_archive_index_"))
    return {name: float(value) for name, value in lines}


@contextlib.contextmanager
def api(gate: Gate):
    """Returns a client of archive's API with the admin token."""
    headers = {"Authorization": f"Bearer {gate.home.admin_token.read_text().strip()}"}
    with httpx.Client(base_url=gate.apis()["archive"], headers=headers, timeout=20) as http:
        yield http
