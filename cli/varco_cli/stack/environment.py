"""The environment of each process: what design calls settings, made from VARCO_HOME, the ports and what is installed."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.settings import SERVICES, StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.durable_file import write_durable
from varco_common.storage import retention

_log = log.get(__name__)


def api_ports(home: StateDirectory, first: int, services: Sequence[ServiceDescription]) -> dict[str, int]:
    """Each service's API port. A service keeps its place when others are installed later."""
    file = home.path / "places.json"
    places = _places(file)
    for service in services:
        if service.name not in places:
            places[service.name] = min(set(range(SERVICES)) - set(places.values()))
    write_durable(file, msgspec.json.encode(places))
    return {service.name: first + places[service.name] for service in services}


def _places(file: Path) -> dict[str, int]:
    """A damaged file counts as none: the ports are given out anew."""
    if not file.exists():
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except msgspec.DecodeError:
        _log.warning("places.json was damaged: the services' API ports are given out anew", file=str(file))
        return {}


def voters(services: Sequence[ServiceDescription]) -> str:
    """The names of all that must vote, parted by commas."""
    return ",".join(service.name for service in services if "voter" in service.role)


def keepers(services: Sequence[ServiceDescription]) -> str:
    """The names of all that are asked before anything is erased from MAIL, parted by commas."""
    return ",".join(service.name for service in services if retention.subject(service.name) in service.subscribes)


def of_service(
    home: StateDirectory, settings: StackSettings, service: ServiceDescription, api_port: int
) -> dict[str, str]:
    """What this service is told beyond what the stack itself was told."""
    return {
        "VARCO_HOME": str(home.path),
        "VARCO_BIND": settings.bind,
        **settings.ports.environment,
        "VARCO_API_PORT": str(api_port),
        "VARCO_TOKEN_KEY_FILE": str(home.token_key),
        "VARCO_NATS_URL": f"nats://{settings.inner}:{settings.ports.nats}",
        "VARCO_NATS_USER": service.name,
        "VARCO_NATS_PASSWORD_FILE": str(home.bus_password(service.name)),
        "VARCO_S3_ENDPOINT": f"http://{settings.inner}:{settings.ports.s3}",
        "VARCO_S3_ACCESS_KEY_FILE": str(home.secret("s3.access", 10)),
        "VARCO_S3_SECRET_KEY_FILE": str(home.secret("s3.secret", 20)),
        "VARCO_S3_SYNC_DIRECTORY": str(home.objects / "data"),
    }
