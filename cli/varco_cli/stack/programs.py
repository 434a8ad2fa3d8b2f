"""The programs of the stack: the bus and the services."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from varco_cli.stack import bus, environment, local_http
from varco_cli.stack.binaries import binary
from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.process import Program
from varco_cli.stack.process_groups import grouped
from varco_cli.stack.process_stages import NATS
from varco_cli.stack.settings import StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.durable_file import write_durable

NATS_MEMORY = "512MiB"  # a soft limit: without one, it never gives back the memory of large bodies
_SERVE = [sys.executable, "-m", "varco_cli.serve"]


class Programs:
    """Describes how each program of a stack is run, and when it is ready.

    `groups` has the services of each process.
    """

    def __init__(
        self,
        home: StateDirectory,
        settings: StackSettings,
        services: Sequence[ServiceDescription],
        extra_environment: Mapping[str, str],
    ) -> None:
        self._home, self._settings, self._services = home, settings, services
        self._extra_environment = extra_environment
        self.groups = grouped(services, settings.processes)

    def bus(self) -> Program:
        """Writes nats.conf, and returns nats-server."""
        address, port = self._settings.inner, self._settings.ports.nats
        config = bus.configure(self._home, address, port, self._services)
        return Program(
            name=NATS,
            command=[binary("nats-server"), "-c", str(config)],
            environment={"VARCO_HOME": str(self._home.path), "GOMEMLIMIT": NATS_MEMORY},
            ready=lambda: bus.ready(address, port),
        )

    def services(self, apis: Mapping[str, str]) -> list[list[Program]]:
        """Returns the services by stage: those that accept mail start last and end first."""
        file = self._home.path / "environments.json"
        environments = {service.name: self._environment(service, apis) for service in self._services}
        write_durable(file, msgspec.json.encode(environments))
        stages: tuple[list[Program], list[Program]] = ([], [])
        for name, group in self.groups.items():
            accepts_mail = any("front door" in service.role for service in group)
            stages[accepts_mail].append(self._process(name, [service.name for service in group], apis, file))
        return [stage for stage in stages if stage]

    def _process(self, name: str, services: Sequence[str], apis: Mapping[str, str], file: Path) -> Program:
        async def ready() -> bool:
            return all(await asyncio.gather(*(_answers(f"{apis[service]}/readyz") for service in services)))

        return Program(
            name=name,
            command=[*_SERVE, *services],
            environment={"VARCO_HOME": str(self._home.path), "VARCO_ENVIRONMENTS": str(file)},
            ready=ready,
            grace_seconds=self._settings.drain.total_seconds() + 5,
        )

    def _environment(self, service: ServiceDescription, apis: Mapping[str, str]) -> dict[str, str]:
        port = int(apis[service.name].rpartition(":")[2])
        lists = {
            "VARCO_INGRESS_VOTERS": environment.voters(self._services),
            "VARCO_AUDIT_KEEPERS": environment.retention_services(self._services),
        }
        chosen = {name: os.environ.get(name, value) for name, value in lists.items()}
        return (
            environment.of_service(self._home, self._settings, service, port)
            | chosen
            | environment.of_apis(service, apis)
            | dict(self._extra_environment)
        )


async def _answers(url: str) -> bool:
    try:
        return (await local_http.request("GET", url, seconds=4)).ok
    except (OSError, TimeoutError, ValueError):
        return False
