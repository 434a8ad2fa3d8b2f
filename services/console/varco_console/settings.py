"""console's settings."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from varco_common.base.settings import (
    BrokenSetting,
    CommaList,
    Internal,
    SecretFile,
    env_prefix,
    matches,
    read_secret,
)
from varco_common.runtime.settings import TableServiceSettings, WithConsolePort, WithProxies
from varco_console.oidc import OidcClient


class Settings(TableServiceSettings, WithConsolePort, WithProxies):
    """`VARCO_CONSOLE_*`, and the shared variables."""

    model_config = env_prefix("VARCO_CONSOLE_")
    renamed: ClassVar[Mapping[str, str]] = {"proxies": "VARCO_CONSOLE_PROXIES"}

    url: Annotated[str, matches(r"(https?://[^/\s]+)?", "https://host or http://host:port, without a path")] = Field(
        default="",
        description="The address that browsers use, such as https://console.acme.example. With https, cookies are for "
        "TLS alone. Empty: VARCO_BIND and VARCO_CONSOLE_PORT, which works on this host only.",
    )
    key_file: Path | None = Field(
        default=None,
        description="The key that encrypts the secrets of second factors. The first start makes it. Empty: "
        "`secrets/console.key` in VARCO_HOME.",
    )
    oidc_issuer: Annotated[str, matches(r"(https?://\S+)?", "the URL of an OpenID provider")] = Field(
        default="",
        description="The OpenID provider that people may sign in with, such as https://login.acme.example/realms/staff. "
        "Its redirect URI is VARCO_CONSOLE_URL with /login/provider/back. Empty: none.",
    )
    oidc_client_id: str = Field(default="varco", description="The name by which the OpenID provider knows the console.")
    oidc_client_secret_file: SecretFile | None = Field(
        default=None, description="File with the secret that the OpenID provider gave the console."
    )
    oidc_claim: str = Field(
        default="email",
        description="The claim of the ID token that is a person's name here, such as preferred_username.",
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
    def oidc_client(self) -> OidcClient | None:
        """None where no provider is set. Raises BrokenSetting."""
        if not self.oidc_issuer:
            return None
        if not self.oidc_client_secret_file:
            expected = "a file with the secret, because VARCO_CONSOLE_OIDC_ISSUER is set"
            raise BrokenSetting("VARCO_CONSOLE_OIDC_CLIENT_SECRET_FILE", "", expected)
        secret = read_secret(self.oidc_client_secret_file)
        back = f"{self.base_url}/login/provider/back"
        return OidcClient(self.oidc_issuer, self.oidc_client_id, secret, self.oidc_claim, back)

    @cached_property
    def api_urls(self) -> dict[str, str]:
        """The base URL of each service's API."""
        pairs = (entry.partition("=") for entry in self.apis)
        return {name: url for name, _, url in pairs if url}
