"""Imports all services and forks them: `python -m varco_cli.fork_server`.

The supervisor starts it, with one end of a socket pair as standard input. The greeting describes
the services.
"""

import importlib
import socket
from collections.abc import Iterable

import msgspec
from prometheus_client import REGISTRY

from varco_cli.service_manifest import describe
from varco_common.base import fork_server
from varco_common.runtime.service import installed, run
from varco_common.storage import database
from varco_common.storage.settings import WithDatabase

LATE = ("aiosqlite", "encodings.idna", "importlib.readers", "pydantic.v1")  # services import these when they start


def main() -> None:
    """Runs a service in each process that it forks."""
    services = {service.name: service for service in installed()}
    for module in LATE:
        importlib.import_module(module)
    for service in services.values():
        if issubclass(service.settings, WithDatabase):
            database.revisions(f"varco_{service.name}")
    greeting = msgspec.json.encode([describe(service) for service in services.values() if service.wanted()])
    name = fork_server.serve(socket.socket(fileno=0), greeting)[-1]
    _forget_metrics(services.keys() - {name})
    run(services[name])


def _forget_metrics(services: Iterable[str]) -> None:
    """Lets /metrics show no metrics of services that do not run in this process."""
    prefixes = tuple(f"varco_{service.partition('-')[0]}_" for service in services)
    for collector, names in [*REGISTRY._collector_to_names.items()]:  # noqa: SLF001 - there is no public way
        if any(name.startswith(prefixes) for name in names):
            REGISTRY.unregister(collector)


if __name__ == "__main__":
    main()
