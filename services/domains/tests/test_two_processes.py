"""Two processes of the service at one bus."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from varco_common.testing import NatsServer, free_port, running
from varco_common.testing.dns import DnsServer
from varco_common.testing.waiting import eventually
from varco_domains.settings import Settings

DOMAINS = [f"d{number}.example" for number in range(5)]
AGAIN = (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE)  # what a loaded machine answers: try again


@pytest.fixture
async def processes(nats: NatsServer, dns: DnsServer, tmp_path: Path) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """An admin's client of each process, by the account that it is used for.

    At the end their logs are printed, so that a failed test shows them.
    """
    async with AsyncExitStack() as stack:
        clients = {}
        for account in ("acme", "other"):
            home, port = tmp_path / account, free_port()
            home.mkdir()
            values = {
                "home": home,
                "nats_url": nats.url,
                "api_port": port,
                "token_public_key_file": running.public_key(home),
                "resolver_servers": dns.address,
            }
            clients[account] = running.client(port)
            stack.callback(show, home / "log")
            process = running.process("domains", Settings, values, home / "log", clients[account])
            await stack.enter_async_context(process)
        yield clients


def show(log: Path) -> None:
    sys.stdout.write(f"{log}:\n{log.read_text()}")


async def answered(http: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    """The first answer that does not say: try again."""

    async def answer() -> httpx.Response | None:
        response = await http.request(method, path)
        return None if response.status_code in AGAIN else response

    return await eventually(answer, 120)


async def test_two_processes_never_prove_a_domain_for_two_accounts(
    processes: dict[str, httpx.AsyncClient], dns: DnsServer
) -> None:
    for account, http in processes.items():
        for name in DOMAINS:
            (await answered(http, "PUT", f"/accounts/{account}/domains/{name}")).raise_for_status()
            record = (await http.get(f"/accounts/{account}/domains/{name}")).json()["record"]
            dns.add_txt(record["name"], record["value"])
    checks = [
        answered(http, "POST", f"/accounts/{account}/domains/{name}/check")
        for name in DOMAINS
        for account, http in processes.items()
    ]
    answers = [answer.status_code for answer in await asyncio.gather(*checks)]
    assert [sorted(answers[at : at + 2]) for at in range(0, len(answers), 2)] == [[200, 422]] * len(DOMAINS)
    for http in processes.values():
        listed = (await http.get("/domains")).json()
        assert sorted(entry["domain"] for entry in listed if entry["status"] == "proven") == DOMAINS
