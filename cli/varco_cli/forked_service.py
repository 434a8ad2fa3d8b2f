"""Imports all services and forks the processes that run them, for the supervisor.

Standard input is one end of a socket pair. The greeting describes the services.
"""

import importlib
import socket

import msgspec
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from varco_cli.migrations_apart import migrate_apart
from varco_cli.serve import environments
from varco_cli.service_manifest import describe
from varco_common.base import fork_server
from varco_common.runtime.service import installed, run
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
    migrate_apart(chosen, variables)
    run(*chosen, environments=variables)


def _set_apart(service: str) -> list[Collector]:
    """Takes a service's metrics out of the registry: /metrics shows those of services that run."""
    prefix = f"varco_{service.partition('-')[0]}_"
    registered = [*REGISTRY._collector_to_names.items()]  # noqa: SLF001 - there is no public one
    found = [collector for collector, names in registered if any(name.startswith(prefix) for name in names)]
    for collector in found:
        REGISTRY.unregister(collector)
    return found
