"""Real servers as pytest fixtures; the root pyproject.toml loads them for every test."""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from varco_common.base import log
from varco_common.bus import Bus
from varco_common.storage.object_store import ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.certificates import self_signed
from varco_common.testing.databases import database_url, postgres, postgres_url, sqlite_url
from varco_common.testing.disks import small_disk
from varco_common.testing.dns import DnsServer, dns_server, forbid_other_dns
from varco_common.testing.nats import NatsServer, nats_server
from varco_common.testing.s3 import S3Server, s3_server

gc.disable()  # until all is imported: that leaves no garbage, and is a fifth cheaper without the collector
forbid_other_dns()  # before any fixture starts a process
hypothesis.settings.register_profile("varco", deadline=None)  # a busy machine makes any example slow
hypothesis.settings.load_profile("varco")


def pytest_collection_finish() -> None:
    """Lets the collector of garbage look at what the tests make, and not at what was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command configures the log of its process: the next test does not inherit that."""
    with log.as_it_was():
        yield


@pytest.fixture(scope="session", autouse=True)
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """TLS clients trust one authority, which signed nothing.

    To read the list of public ones takes 20 ms of CPU, for each HTTP client and each process anew.
    """
    trusted = self_signed(tmp_path_factory.mktemp("authority"), "authority.test").certificate
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(trusted))
        yield


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server that knows no name yet. Services and settings of the test must name it."""
    with dns_server() as server:
        yield server


@pytest_asyncio.fixture
async def nats() -> AsyncIterator[NatsServer]:
    """A nats-server with MAIL and EVENTS, for one test (it starts in some 50 ms)."""
    async with nats_server() as server:
        yield server


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    """A Bus on `nats`, named `test`."""
    async with Bus.connect(nats.settings(), "test") as connected:
        yield connected


@pytest_asyncio.fixture
async def bodies(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """The bodies of a gate whose VARCO_HOME is tmp_path."""
    store = open_store(ObjectStoreSettings(directory=tmp_path / "objects"))
    await store.ensure()
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3() -> AsyncIterator[S3Server]:
    """One S3 server for all tests: use a bucket of your own, and do not stop it."""
    async with s3_server() as server:
        yield server


__all__ = [
    "bodies",
    "bus",
    "database_url",
    "dns",
    "few_authorities",
    "log_as_it_was",
    "nats",
    "postgres",
    "postgres_url",
    "s3",
    "small_disk",
    "sqlite_url",
]
