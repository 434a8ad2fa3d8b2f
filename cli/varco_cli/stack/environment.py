"""The environment of each service, from VARCO_HOME, the ports and the installed services."""

from collections.abc import Mapping, Sequence

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.settings import StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import subjects

APIS = "VARCO_APIS"
_SIGNER = "policy"  # the service that signs tokens


def voters(services: Sequence[ServiceDescription]) -> str:
    """Returns the names of the services that vote, separated by commas."""
    return ",".join(service.name for service in services if "voter" in service.role)


def retention_services(services: Sequence[ServiceDescription]) -> str:
    """Returns the services that must agree before a mail is erased, separated by commas."""
    return ",".join(
        service.name for service in services if subjects.retention_query(service.name) in service.subscribes
    )


def of_service(
    home: StateDirectory, settings: StackSettings, service: ServiceDescription, api_port: int
) -> dict[str, str]:
    """Returns the variables that the stack sets for this service."""
    key = {"VARCO_TOKEN_KEY_FILE": str(home.token_key)} if service.name == _SIGNER else {}
    return key | {
        "VARCO_HOME": str(home.path),
        "VARCO_BIND": settings.bind,
        **settings.ports.environment,
        "VARCO_API_PORT": str(api_port),
        "VARCO_TOKEN_PUBLIC_KEY_FILE": str(home.token_public_key),
        "VARCO_NATS_URL": f"nats://{settings.inner}:{settings.ports.nats}",
        "VARCO_NATS_USER": service.name,
        "VARCO_NATS_PASSWORD_FILE": str(home.bus_password(service.name)),
    }


def of_apis(service: ServiceDescription, apis: Mapping[str, str]) -> dict[str, str]:
    """Returns the variable with the addresses of all APIs, for a service that calls others."""
    return {APIS: ",".join(f"{name}={url}" for name, url in apis.items())} if APIS in service.variables else {}
