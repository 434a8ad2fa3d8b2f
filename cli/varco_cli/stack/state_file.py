"""The files that tell other commands and Prometheus what runs where."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.settings import Ports, StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.durable_file import write_durable


def write_state(
    home: StateDirectory,
    settings: StackSettings,
    services: Sequence[ServiceDescription],
    apis: Mapping[str, str],
    processes: Iterable[str],
    groups: Mapping[str, Sequence[ServiceDescription]],
) -> None:
    """Writes the state for `varco status` and other commands, and the targets for Prometheus."""
    state = {
        "supervisor": os.getpid(),
        "started_at": datetime.now(UTC),
        "bind": settings.bind,
        "max_mail_size": os.environ.get("VARCO_INGRESS_MAX_SIZE", ""),
        "inner": settings.inner,
        "version": version("varco-cli"),
        "apis": apis,
        "ports": {name: getattr(settings.ports, name) for name in _port_names(settings.ports, services)},
        "processes": list(processes),
        "groups": {process: [service.name for service in members] for process, members in groups.items()},
        "services": [service.name for service in services],
    }
    write_durable(home.targets, msgspec.json.format(msgspec.json.encode(_targets(groups, apis))), 0o644)
    write_durable(home.state, msgspec.json.format(msgspec.json.encode(state)), 0o644)


def _targets(groups: Mapping[str, Sequence[ServiceDescription]], apis: Mapping[str, str]) -> list[dict[str, Any]]:
    """Lists the addresses to scrape. Services that share a process share its metrics."""
    targets = {process: apis[members[0].name] for process, members in groups.items()}
    return [{"targets": [url.rpartition("/")[2]], "labels": {"service": name}} for name, url in targets.items()]


def _port_names(ports: Ports, services: Sequence[ServiceDescription]) -> list[str]:
    variables = [variable for service in services for variable in service.ports]
    names = [variable.removeprefix("VARCO_").removesuffix("_PORT").lower() for variable in variables]
    return [*(name for name in names if hasattr(ports, name)), "nats"]
