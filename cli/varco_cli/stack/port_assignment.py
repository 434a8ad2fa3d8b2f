"""The API ports of the services, and the check that every port is free before anything starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.settings import SERVICES, StackSettings, check_listenable
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.durable_file import write_durable

_log = log.get(__name__)


def assign_api_ports(home: StateDirectory, first: int, services: Sequence[ServiceDescription]) -> dict[str, int]:
    """Returns the API port of each service. A service keeps its port when others are installed."""
    file = home.path / "places.json"
    places = _read_places(file)
    for service in services:
        if service.name not in places:
            places[service.name] = min(set(range(SERVICES)) - set(places.values()))
    write_durable(file, msgspec.json.encode(places))
    return {service.name: first + places[service.name] for service in services}


def _read_places(file: Path) -> dict[str, int]:
    """Returns the place of each service in the range of ports; none where the file is damaged."""
    if not file.exists():
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except msgspec.DecodeError:
        _log.warning("places.json was damaged: the services get new API ports", file=str(file))
        return {}


def check_ports(settings: StackSettings, services: Sequence[ServiceDescription], api_ports: Mapping[str, int]) -> None:
    """Raises BrokenSetting for the first port that is taken. It names the variable to change."""
    ports = settings.ports
    for service in services:
        check_listenable(settings.bind, api_ports[service.name], "VARCO_API_PORT")
        for variable in service.ports:
            if port := int(ports.environment.get(variable, "0")):
                check_listenable(settings.bind, port, variable)
    check_listenable(settings.inner, ports.nats, "VARCO_NATS_PORT")
