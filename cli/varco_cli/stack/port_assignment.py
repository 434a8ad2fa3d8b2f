"""The API ports of the services, and the check that every port is free before anything starts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.process import BrokenStart
from varco_cli.stack.settings import SERVICES, StackSettings, check_listenable
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.durable_file import write_durable
from varco_common.base.settings import BrokenSetting

_FILE = "places.json"
_log = log.get(__name__)


def assign_api_ports(home: StateDirectory, first: int, services: Sequence[ServiceDescription]) -> dict[str, int]:
    """Returns the API port of each service. A service keeps its port when others are installed."""
    places = _places(home, services)
    write_durable(home.path / _FILE, msgspec.json.encode(places))
    return {service.name: first + places[service.name] for service in services}


def api_ports(home: StateDirectory, first: int, services: Sequence[ServiceDescription]) -> dict[str, int]:
    """Returns the API port that the next start will give to each service."""
    places = _places(home, services)
    return {service.name: first + places[service.name] for service in services}


def _places(home: StateDirectory, services: Sequence[ServiceDescription]) -> dict[str, int]:
    places = _read_places(home.path / _FILE)
    for service in services:
        if service.name not in places:
            places[service.name] = min(set(range(SERVICES)) - set(places.values()))
    return places


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
    """Raises BrokenStart with a line for each port that is taken, with the variable to change."""
    if taken := taken_ports(settings, services, api_ports):
        raise BrokenStart("\n".join(map(str, taken)))


def taken_ports(
    settings: StackSettings, services: Sequence[ServiceDescription], api_ports: Mapping[str, int]
) -> list[BrokenSetting]:
    """Returns an error for each port that can't be listened on."""
    taken = []
    for address, port, variable in _listeners(settings, services, api_ports):
        try:
            check_listenable(address, port, variable)
        except BrokenSetting as error:
            taken.append(error)
    return taken


def _listeners(
    settings: StackSettings, services: Sequence[ServiceDescription], api_ports: Mapping[str, int]
) -> Iterator[tuple[str, int, str]]:
    """Yields address, port and variable of each listener."""
    for service in services:
        yield settings.bind, api_ports[service.name], "VARCO_API_PORT"
        for variable in service.ports:
            if port := int(settings.ports.environment.get(variable, "0")):
                yield settings.bind, port, variable
    yield settings.inner, settings.ports.nats, "VARCO_API_PORT"
