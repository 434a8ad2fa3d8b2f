"""What a request to set routes asks for, and what the requester may choose. Pure."""

from enum import Enum
from typing import Literal, NamedTuple

from varco_common.events import AddressFamilies, OAuthMechanism, OAuthProvider, TlsUse
from varco_common.eventsourcing.commands import CommandRequest
from varco_relay.oauth.credentials import OAuthSecrets


class OAuthRequest(NamedTuple):
    """OAuth settings. Empty `secrets` keep the old ones if next hop, login and client stay."""

    provider: OAuthProvider
    tenant: str = ""
    client_id: str = ""
    token_url: str = ""
    scope: str = ""
    mechanism: OAuthMechanism = OAuthMechanism.XOAUTH2
    secrets: OAuthSecrets = OAuthSecrets()


class HopRequest(NamedTuple):
    """A next hop. `password` None keeps the old one if login and host stay."""

    smarthost: str
    tls: TlsUse
    login: str = ""
    password: str | None = None
    oauth: OAuthRequest | None = None


class HopListRequest(NamedTuple):
    """Several next hops, in order of preference, or balanced."""

    hops: tuple[HopRequest, ...]
    balance: bool = False


class DirectRequest(NamedTuple):
    """Direct delivery. `source` has addresses of this gate."""

    tls: TlsUse = TlsUse.OPPORTUNISTIC
    families: AddressFamilies = AddressFamilies.BOTH
    source: tuple[str, ...] = ()


RouteRequest = HopRequest | HopListRequest | DirectRequest | Literal["blackhole"]


class RuleRequest(NamedTuple):
    """A route for mail from these senders to these recipients; an empty list covers all."""

    senders: tuple[str, ...]
    recipients: tuple[str, ...]
    route: RouteRequest


class RouteFreedom(Enum):
    """Which hosts the requester may choose.

    WHILE_ALLOWED: any now, and public ones only once VARCO_RELAY_PRIVATE_ROUTES is off again.
    """

    ANY = "an operator"
    WHILE_ALLOWED = "an account, where private routes are allowed"
    PUBLIC = "an account"

    @classmethod
    def of(cls, request: CommandRequest, *, private_routes: bool) -> "RouteFreedom":
        if request.is_admin:
            return cls.ANY
        return cls.WHILE_ALLOWED if private_routes else cls.PUBLIC
