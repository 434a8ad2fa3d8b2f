"""Imports all services and forks the processes that run them, for the supervisor.

Standard input is one end of a socket pair. The greeting describes the services.
"""

import asyncio
import importlib
import os
import socket
from collections.abc import Mapping, Sequence

import msgspec
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from varco_cli.serve import environments
from varco_cli.service_manifest import describe
from varco_common.base import fork_server
from varco_common.base.settings import load
from varco_common.runtime.service import Service, installed, run
from varco_common.storage import database
from varco_common.storage.settings import WithDatabase

LATE = (  # services import these when they start
    "aiosqlite",
    "anyio._backends._asyncio",
    "encodings.idna",
    "importlib.readers",
    "pydantic.v1",
    "uvicorn.lifespan.off",
    "varco_common.storage.directory_store",
)
_MIGRATION_SECONDS = 10.0
_PYTHON_M_MODULE = 3  # the names of the services follow


def main() -> None:
    """Runs services in each process that it forks."""
    services = {service.name: service for service in installed()}
    for module in LATE:
        importlib.import_module(module)
    for service in services.values():
        if issubclass(service.settings, WithDatabase):
            database.revisions(f"varco_{service.name}")
    collectors = {name: _set_apart(name) for name in services}
    greeting = msgspec.json.encode([describe(service) for service in services.values() if service.wanted()])
    arguments = fork_server.serve(socket.socket(fileno=0), greeting)
    chosen = [services[name] for name in arguments[_PYTHON_M_MODULE:]]
    for service in chosen:
        for collector in collectors[service.name]:
            REGISTRY.register(collector)
    variables = environments()
    _migrate_apart(chosen, variables)
    run(*chosen, environments=variables)


def _migrate_apart(services: Sequence[Service], variables: Mapping[str, Mapping[str, str]]) -> None:
    """Applies migrations in processes of their own, because they leave memory behind.

    If that fails, the service tries itself, and reports why.
    """
    begun = [
        _begin_migration(service.name, service.settings, variables.get(service.name, {}))
        for service in services
        if issubclass(service.settings, WithDatabase)
    ]
    for pid in begun:
        os.waitpid(pid, 0)


def _begin_migration(service: str, settings: type[WithDatabase], variables: Mapping[str, str]) -> int:
    if pid := os.fork():
        return pid
    try:
        os.environ.update(variables)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        asyncio.run(_migrate(service, load(settings).database_of(service)))
    finally:
        os._exit(0)


async def _migrate(name: str, url: str) -> None:
    async with asyncio.timeout(_MIGRATION_SECONDS), database.connect(url, name) as engine:
        await database.migrate(engine, f"varco_{name}")


def _set_apart(service: str) -> list[Collector]:
    """Takes a service's metrics out of the registry: /metrics shows those of services that run."""
    prefix = f"varco_{service.partition('-')[0]}_"
    registered = [*REGISTRY._collector_to_names.items()]  # noqa: SLF001 - there is no public one
    found = [collector for collector, names in registered if any(name.startswith(prefix) for name in names)]
    for collector in found:
        REGISTRY.unregister(collector)
    return found
