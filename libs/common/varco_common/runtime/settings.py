"""Settings that services share beyond the bus and the stores: the HTTP API and the load balancers."""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field

from varco_common.base.settings import BrokenSetting, Internal, NetworkList, Port, SecretFile, Settings
from varco_common.bus.settings import WithBus


class WithBalancers(Settings):
    """The load balancers in front of ingress-smtp, for ingress-smtp and for all that must never ban them."""

    balancers: NetworkList = Field(
        default=(),
        validation_alias="VARCO_INGRESS_BALANCERS",
        description="Load balancers that must send a PROXY header (v1 or v2) with the client's address. They are never banned.",
    )

    @property
    def balancer_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.balancers))


class WithApi(Settings):
    """The HTTP API that every service has."""

    api_port: Port = Field(
        default=8100,
        validation_alias="VARCO_API_PORT",
        description="Port of the service's HTTP API; `varco up` counts from here upwards, one for each service.",
    )
    api_ports: Internal[int] = Field(
        default=1,
        ge=1,
        le=100,
        validation_alias="VARCO_API_PORTS",
        description="How many ports to try from VARCO_API_PORT upwards. The first free one is used: for several "
        "processes of one service at one address.",
    )
    api_port_file: Internal[Path | None] = Field(
        default=None,
        validation_alias="VARCO_API_PORT_FILE",
        description="The service writes the port that it uses into this file, for a health check.",
    )
    token_key_file: SecretFile | None = Field(
        default=None,
        validation_alias="VARCO_TOKEN_KEY_FILE",
        description="File with the key that signs API tokens; every service reads the same. "
        "Empty: `secrets/token.key` in VARCO_HOME.",
    )

    @cached_property
    def token_key(self) -> bytes:
        """At least 32 bytes of key. Raises BrokenSetting."""
        path = self.token_key_file or self.home / "secrets" / "token.key"
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a readable file ({error.strerror})") from None
        if len(key) < 32:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a key of 32 bytes or more (it has {len(key)})")
        return key


class ServiceSettings(WithBus, WithApi):
    """What every service reads. Add WithDatabase and WithObjectStore where a service has tables or bodies."""
