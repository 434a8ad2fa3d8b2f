"""`oauth` of a route, as account files and the API have it."""

from typing import Any

from pydantic import ConfigDict, Field, SecretStr

from varco_common.events import OAuthMechanism, OAuthProvider
from varco_common.runtime.request_model import StrictModel
from varco_relay.oauth.credentials import OAuthSecrets
from varco_relay.route_requests import OAuthRequest

_SECRET: dict[str, Any] = {"writeOnly": True, "file": True}  # the command line also reads it from a file


class OAuthIn(StrictModel):
    """How a token is got. Secrets that are left out stay while host, login and client stay."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"provider": "microsoft", "tenant": "acme.onmicrosoft.com"}]},
    )

    provider: OAuthProvider = Field(
        description="Who gives the tokens: `microsoft` (docs/microsoft-365.md), `google` (docs/google-workspace.md), or "
        "`generic` for any other.",
        examples=["microsoft"],
    )
    tenant: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.-]{0,253}$",
        description="With `microsoft`: the directory, by its id or one of its domains.",
        examples=["acme.onmicrosoft.com"],
    )
    client_id: str = Field(
        default="",
        max_length=400,
        description="The id of the application that is registered at the provider. A service account has none.",
        examples=["b1946ac9-2492-4c3f-9c1a-1f1ad1bfa4c2"],
    )
    client_secret: SecretStr | None = Field(
        default=None,
        max_length=4_000,
        description="The secret of the application.",
        examples=["a-long-secret"],
        json_schema_extra=_SECRET,
    )
    certificate: SecretStr | None = Field(
        default=None,
        max_length=20_000,
        description="With `microsoft`, instead of a secret: a certificate and its RSA key, both in PEM.",
        examples=["the content of gate.pem"],
        json_schema_extra=_SECRET,
    )
    service_account: SecretStr | None = Field(
        default=None,
        max_length=20_000,
        description="With `google`: the key of the service account, as JSON.",
        examples=["the content of key.json"],
        json_schema_extra=_SECRET,
    )
    refresh_token: SecretStr | None = Field(
        default=None,
        max_length=8_000,
        description="A refresh token, where tokens are a user's and not the application's own.",
        examples=["a-long-secret"],
        json_schema_extra=_SECRET,
    )
    token_url: str = Field(
        default="",
        max_length=2_000,
        description="Where tokens are got, with `https://`. Empty: the usual URL of the provider.",
        examples=["https://login.provider.example/oauth2/token"],
    )
    scope: str = Field(
        default="",
        max_length=1_000,
        pattern=r"^[\x21\x23-\x5b\x5d-\x7e ]*$",  # RFC 6749 3.3
        description="What the token is for. Empty: the usual scope of the provider.",
        examples=["smtp.send"],
    )
    mechanism: OAuthMechanism = Field(
        default=OAuthMechanism.XOAUTH2,
        description="How the next hop takes the token: `XOAUTH2`, or `OAUTHBEARER` (RFC 7628).",
        examples=["OAUTHBEARER"],
    )

    def request(self) -> OAuthRequest:
        secrets = OAuthSecrets(
            client_secret=_text(self.client_secret),
            certificate=_text(self.certificate),
            service_account=_text(self.service_account),
            refresh_token=_text(self.refresh_token),
        )
        return OAuthRequest(
            self.provider, self.tenant, self.client_id, self.token_url, self.scope, self.mechanism, secrets
        )


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value().strip() if secret else ""
