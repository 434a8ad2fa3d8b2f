"""console's settings."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from varco_common.base.settings import CommaList, Internal, NetworkList, env_prefix, matches
from varco_common.runtime.settings import TableServiceSettings, WithConsolePort


class Settings(TableServiceSettings, WithConsolePort):
    """`VARCO_CONSOLE_*`, and the shared variables."""

    model_config = env_prefix("VARCO_CONSOLE_")

    url: Annotated[str, matches(r"(https?://[^/\s]+)?", "https://host or http://host:port, without a path")] = Field(
        default="",
        description="The address that browsers use, such as https://console.acme.example. With https, cookies are for "
        "TLS alone. Empty: VARCO_BIND and VARCO_CONSOLE_PORT, which works on this host only.",
    )
    proxies: NetworkList = Field(
        default=(), description="Networks of the reverse proxies whose X-Forwarded-For names the client."
    )
    key_file: Path | None = Field(
        default=None,
        description="The key that encrypts the secrets of second factors. The first start makes it. Empty: "
        "`secrets/console.key` in VARCO_HOME.",
    )
    apis: Internal[CommaList] = Field(
        default=(),
        validation_alias="VARCO_APIS",
        description="Where the services' APIs are: policy=http://policy:8100,relay=...",
    )

    @property
    def base_url(self) -> str:
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return self.url or f"http://{host}:{self.console_port}"

    @property
    def factor_key_file(self) -> Path:
        return self.key_file or self.home / "secrets" / "console.key"

    @property
    def has_tls(self) -> bool:
        return self.base_url.startswith("https:")

    @cached_property
    def api_urls(self) -> dict[str, str]:
        """The base URL of each service's API."""
        pairs = (entry.partition("=") for entry in self.apis)
        return {name: url for name, _, url in pairs if url}
