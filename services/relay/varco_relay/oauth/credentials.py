"""What a token is asked for with: settings and decrypted secrets of a route's `oauth`. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

import msgspec

from varco_common.base.errors import TransientError
from varco_common.events import OAuth, OAuthMechanism, OAuthProvider

# Where an account file names no others
MICROSOFT_TOKEN_URL = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"  # noqa: S105 - no password
MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - no password
GOOGLE_SCOPE = "https://mail.google.com/"


class OAuthSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The secrets of a client, as they are sealed together.

    `certificate` is PEM with its private key, `service_account` the JSON of Google's key file.
    """

    client_secret: str = ""
    certificate: str = ""
    service_account: str = ""
    refresh_token: str = ""

    def __repr__(self) -> str:  # they must appear in no traceback
        return "OAuthSecrets(...)"

    def as_text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises TransientError for what relay did not seal."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            raise TransientError("the secrets of the route's oauth can't be read: set the route again") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCredentials:
    """A login at a next hop by token, and all that its provider asks for."""

    provider: OAuthProvider
    login: str
    token_url: str
    scope: str
    client_id: str = ""
    mechanism: OAuthMechanism = OAuthMechanism.XOAUTH2
    public_only: bool = False
    secrets: OAuthSecrets = field(default_factory=OAuthSecrets, repr=False)

    @classmethod
    def of(cls, oauth: OAuth, login: str, secrets: OAuthSecrets) -> Self:
        """With the provider's usual URL and scope where the settings name no others."""
        return cls(
            provider=oauth.provider,
            login=login,
            token_url=oauth.token_url or usual_token_url(oauth),
            scope=oauth.scope or usual_scope(oauth.provider),
            client_id=oauth.client_id,
            mechanism=oauth.mechanism,
            public_only=oauth.public_only,
            secrets=secrets,
        )

    @property
    def key(self) -> str:
        """The name under which their token is kept. Other credentials have another one."""
        parts = (self.provider, self.login, self.token_url, self.scope, self.client_id, self.secrets.as_text())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def usual_token_url(oauth: OAuth) -> str:
    """Empty for a provider of which none is known."""
    match oauth.provider:
        case OAuthProvider.MICROSOFT:
            return MICROSOFT_TOKEN_URL.format(tenant=oauth.tenant)
        case OAuthProvider.GOOGLE:
            return GOOGLE_TOKEN_URL
        case OAuthProvider.GENERIC:
            return ""


def usual_scope(provider: OAuthProvider) -> str:
    return {OAuthProvider.MICROSOFT: MICROSOFT_SCOPE, OAuthProvider.GOOGLE: GOOGLE_SCOPE}.get(provider, "")
