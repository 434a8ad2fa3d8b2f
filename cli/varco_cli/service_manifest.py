"""Prints a JSON description of the services to run here, for the supervisor.

With --all it describes every installed service.
"""

import sys

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_common.base.settings import known_variables, variables
from varco_common.bus.permissions import permissions
from varco_common.runtime.service import Service, installed
from varco_common.storage.settings import WithDatabase


def describe(service: Service) -> ServiceDescription:
    """Returns what the stack must know of a service."""
    names = variables(service.settings).values()
    return ServiceDescription(
        name=service.name,
        role=service.role,
        publishes=service.publishes,
        subscribes=service.subscribes,
        permissions=permissions(service.name, service.publishes, service.subscribes).config(),
        ports=tuple(name for name in names if name.endswith("_PORT") and name != "VARCO_API_PORT"),
        tables=issubclass(service.settings, WithDatabase),
        variables=tuple(known_variables(service.settings)),
    )


if __name__ == "__main__":
    services = [service for service in installed() if "--all" in sys.argv or service.wanted()]
    sys.stdout.buffer.write(msgspec.json.encode([describe(service) for service in services]))
