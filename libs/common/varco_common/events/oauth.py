"""How a next hop is logged in to with OAuth 2.0 (RFC 6749): a part of a route."""

from enum import StrEnum

import msgspec


class OAuthProvider(StrEnum):
    """Who gives the tokens: it decides how they are asked for."""

    MICROSOFT = "microsoft"
    GOOGLE = "google"
    GENERIC = "generic"


class OAuthMechanism(StrEnum):
    """How a token is shown to the next hop."""

    XOAUTH2 = "XOAUTH2"
    OAUTHBEARER = "OAUTHBEARER"  # RFC 7628


class OAuth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings of a client of the provider. Those left empty are the provider's usual ones.

    `secret` has the client's secrets, sealed with relay's own key: it is of use to relay alone.
    With `public_only` an account's own token chose `token_url`, so it must not be a private
    address.
    """

    provider: OAuthProvider
    tenant: str = ""
    client_id: str = ""
    token_url: str = ""
    scope: str = ""
    mechanism: OAuthMechanism = OAuthMechanism.XOAUTH2
    secret: str = ""
    public_only: bool = False
