"""One running stack for all tests that don't end it, and `varco` as a function."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from varco_cli import failures
from varco_cli.main import app
from varco_cli.stack import Ports, Stack
from varco_common.testing.next_hop import NextHop, next_hop


class Ended:
    """The exit code, the output and the error of a command."""

    def __init__(self, code: int, out: str, error: str) -> None:
        self.code, self.out, self.error = code, out, error


Varco = Callable[..., Ended]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hop() -> AsyncIterator[NextHop]:
    async with next_hop() as hop:
        yield hop


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, hop: NextHop) -> AsyncIterator[Stack]:
    """A stack with account `acme`, whose next hop is `hop`."""
    async with Stack(tmp_path_factory.mktemp("stack") / "var", ports=Ports.free()) as stack:
        account = {
            "users": [{"login": "alice@acme.example", "password": "a-long-secret"}],
            "senders": ["@acme.example"],
            "networks": ["127.0.0.0/8"],
        }
        route = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none"}
        async with stack.client("policy") as policy, stack.client("relay") as relay:
            (await policy.put("/accounts/acme", json=account)).raise_for_status()
            (await relay.put("/accounts/acme/route", json=route)).raise_for_status()
        yield stack


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without Varco's variables, and without a width for tables."""
    for name in [name for name in os.environ if name.startswith("VARCO_") or name == "COLUMNS"]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def varco(clean: pytest.MonkeyPatch) -> Varco:
    """Runs a command in this process, and returns how it ended."""

    def run(*arguments: str, home: Path | None = None, given: str = "") -> Ended:
        if home:
            clean.setenv("VARCO_HOME", str(home))
        result = CliRunner().invoke(app, list(arguments), input=given)
        if isinstance(result.exception, failures.CommandFailure):
            return Ended(result.exception.exit_code, result.stdout, str(result.exception))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run
