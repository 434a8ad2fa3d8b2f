"""filelink's own settings."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from varco_common.base.settings import CommaList, Duration, Size, env_prefix
from varco_common.runtime.settings import ServiceSettings, WithLinksPort
from varco_common.storage.settings import WithDatabase, WithObjectStore
from varco_filelink import normalization


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        try:
            ip_network(one)
        except ValueError:
            raise ValueError("networks such as 192.0.2.0/24, parted by commas") from None
    return value


class Settings(ServiceSettings, WithDatabase, WithLinksPort, WithObjectStore):
    """`VARCO_FILELINK_*`, and what is shared."""

    model_config = env_prefix("VARCO_FILELINK_")

    base_url: Annotated[str, AfterValidator(normalization.base_url)] = Field(
        default="",
        description="What the links of accounts without a base URL of their own begin with. Empty: VARCO_BIND and "
        "VARCO_LINKS_PORT, which is of use on this machine alone.",
    )
    conversions: int = Field(
        default=2, ge=1, le=64, description="Mails that are converted at once; each takes some 20 MiB at most."
    )
    inline: Size = Field(
        default=2 * 1024 * 1024,
        le=3 * 1024 * 1024,
        description="Up to this size a converted body travels in its record; else in the object store.",
    )
    downloads: int = Field(default=200, ge=1, description="Downloads at once; more hear 503.")
    tries: int = Field(
        default=30,
        ge=1,
        description="Links that aren't there that one address may ask for in a minute; then it hears 429.",
    )
    proxies: Annotated[CommaList, AfterValidator(_networks)] = Field(
        default=(),
        description="Networks of the reverse proxies whose X-Forwarded-For names the client.",
    )
    sweep: Duration = Field(
        default=timedelta(hours=1), description="How often objects that no link leads to are looked for."
    )
    orphan_age: Duration = Field(default=timedelta(days=1), description="How old such an object must be to be deleted.")
    expire: Duration = Field(default=timedelta(minutes=1), description="How often links whose time is over are ended.")
    ack_wait: Duration = Field(
        default=timedelta(seconds=60),
        description="How long after a crash the mails that were in hand are taken up again.",
    )

    @property
    def default_base_url(self) -> str:
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return self.base_url or f"http://{host}:{self.links_port}"

    @property
    def trusted(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(one) for one in self.proxies)
