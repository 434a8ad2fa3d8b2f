"""Describes the services that are to run here on standard output, as JSON, for the supervisor.

With --all every installed one, wherever it is to run.
"""

import sys

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_common.base.settings import variables
from varco_common.runtime.service import Service, installed
from varco_common.storage.settings import WithDatabase


def described(service: Service) -> ServiceDescription:
    """What the stack must know of it."""
    names = variables(service.settings).values()
    return ServiceDescription(
        name=service.name,
        role=service.role,
        publishes=service.publishes,
        subscribes=service.subscribes,
        ports=tuple(name for name in names if name.endswith("_PORT") and name != "VARCO_API_PORT"),
        tables=issubclass(service.settings, WithDatabase),
    )


if __name__ == "__main__":
    chosen = [service for service in installed() if "--all" in sys.argv or service.wanted()]
    sys.stdout.buffer.write(msgspec.json.encode([described(service) for service in chosen]))
