"""Which DNS servers are asked."""

from typing import Annotated

from pydantic import AfterValidator, Field

from varco_common.base.settings import CommaList, Settings
from varco_common.dns.resolver import Resolver, server_address


def _servers(value: tuple[str, ...]) -> tuple[str, ...]:
    for server in value:
        server_address(server)
    return value


class WithResolver(Settings):
    """The DNS servers, for every service that asks DNS."""

    resolver_servers: Annotated[CommaList, AfterValidator(_servers)] = Field(
        default=(),
        validation_alias="VARCO_RESOLVER",
        description="DNS servers that are asked, as 192.0.2.53 or 192.0.2.53:5353 or [2001:db8::53]:53, parted by "
        "commas. Empty: those of the system (/etc/resolv.conf). What DNSSEC proves is believed if they say so: for "
        "that they must validate, and the path to them must be safe.",
    )

    def resolver(self) -> Resolver:
        """A resolver that asks these servers."""
        return Resolver(self.resolver_servers)
