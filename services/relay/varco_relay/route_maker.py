"""Makes routes of what a request asks for. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Protocol

from msgspec.structs import replace

from varco_common.base.errors import RefusedCommand, TransientError
from varco_common.events import Blackhole, DirectDelivery, OAuth, Route, Smarthost, Smarthosts, TlsUse
from varco_relay.oauth_maker import SecretMissing, make_oauth, token_host
from varco_relay.route_document import describe_hop
from varco_relay.route_requests import (
    DirectRequest,
    HopListRequest,
    HopRequest,
    OAuthRequest,
    RouteFreedom,
    RouteRequest,
)
from varco_relay.smtp.private_addresses import is_private_host
from varco_relay.smtp.target import parse_next_hop

_STRENGTH = (TlsUse.NONE, TlsUse.OPPORTUNISTIC, TlsUse.REQUIRED)  # the weakest first


class Encrypts(Protocol):
    """What a command needs of a SecretBox."""

    def encrypt(self, password: str) -> str: ...
    def decrypt(self, secret: str) -> str: ...
    def matches(self, secret: str, password: str) -> bool: ...


def hops_of(route: Route | None) -> tuple[Smarthost, ...]:
    """The next hops that the route names."""
    match route:
        case Smarthosts(hops=hops):
            return hops
        case Smarthost():
            return (route,)
        case _:
            return ()


class RouteMaker:
    """`before` are the present routes: a password that is not given is taken from them.

    Else from `former` next hops, with no weaker TLS: an operator who brings a route back need not
    know its password. An account gets none of them: an operator may have removed it. An account may
    change what is around a host that an operator chose.
    """

    def __init__(
        self, secret_box: Encrypts, freedom: RouteFreedom, before: Iterable[Route], former: Iterable[Smarthost] = ()
    ) -> None:
        self._secret_box, self._freedom = secret_box, freedom
        self._former = list(former) if freedom is RouteFreedom.ANY else []
        routes = list(before)
        self._hops = [hop for route in routes for hop in hops_of(route)]
        self._direct = [route for route in routes if isinstance(route, DirectDelivery)]

    def route(self, request: RouteRequest) -> Route:
        """Raises RefusedCommand."""
        match request:
            case HopRequest():
                return self._hop(request)
            case HopListRequest(hops=hops, balance=balance):
                return self._several(hops, balance=balance)
            case DirectRequest():
                return self._direct_delivery(request)
            case _:
                return Blackhole()

    def _several(self, requests: Sequence[HopRequest], *, balance: bool) -> Smarthosts:
        hops = tuple(map(self._hop, requests))
        names = [describe_hop(hop) for hop in hops]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise RefusedCommand(f"{twice} is in the list twice")
        return Smarthosts(hops=hops, balance=balance)

    def _hop(self, request: HopRequest) -> Smarthost:
        try:
            host, port, mx = parse_next_hop(request.smarthost)
        except ValueError as error:
            raise RefusedCommand(str(error)) from None
        if request.password and not request.login:
            raise RefusedCommand("a password without a login: give both, or neither")
        if request.oauth and (request.password or not request.login):
            raise RefusedCommand("oauth takes the place of a password, and needs a login")
        old, former = (
            [hop for hop in hops if (hop.host, hop.port, hop.mx, hop.login) == (host, port, mx, request.login)]
            for hops in (self._hops, self._former)
        )
        former = [hop for hop in former if _STRENGTH.index(hop.tls) <= _STRENGTH.index(request.tls)]
        return Smarthost(
            host=host,
            port=port,
            tls=request.tls,
            login=request.login,
            secret=self._secret(request, old, former) if request.login and not request.oauth else "",
            oauth=self._oauth(request.oauth, old, former) if request.oauth else None,
            public_only=self._public_only(host, [hop.public_only for hop in self._at(host, port, mx=mx)]),
            mx=mx,
        )

    def _at(self, host: str, port: int, *, mx: bool) -> list[Smarthost]:
        return [hop for hop in self._hops if (hop.host, hop.port, hop.mx) == (host, port, mx)]

    def _secret(self, request: HopRequest, old: list[Smarthost], former: list[Smarthost]) -> str:
        """Keeps the old secret for the same password: each encryption of it looks like a change."""
        secrets = [hop.secret for hop in old if hop.secret]
        if request.password is None:
            known = secrets or [hop.secret for hop in former if hop.secret and self._opens(hop.secret)]
            if not known:
                raise SecretMissing(
                    f"a login needs its password: write `password` beside login {request.login} of {request.smarthost}"
                )
            return known[0]
        password = request.password
        kept = next((secret for secret in secrets if self._secret_box.matches(secret, password)), None)
        return kept or self._secret_box.encrypt(password)

    def _opens(self, secret: str) -> bool:
        """Not what was sealed with another key."""
        try:
            return bool(self._secret_box.decrypt(secret))
        except TransientError:
            return False

    def _oauth(self, request: OAuthRequest, old: list[Smarthost], former: list[Smarthost]) -> OAuth:
        before = [hop.oauth for hop in old if hop.oauth]
        oauth = make_oauth(request, [*before, *(hop.oauth for hop in former if hop.oauth)], self._secret_box)
        if not oauth.token_url:
            return oauth
        same = [other.public_only for other in before if other.token_url == oauth.token_url]
        return replace(oauth, public_only=self._public_only(token_host(oauth), same))

    def _direct_delivery(self, request: DirectRequest) -> DirectDelivery:
        source = _addresses(request.source)
        known = {address for route in self._direct for address in route.source}
        if self._freedom is not RouteFreedom.ANY and not known.issuperset(source):
            raise RefusedCommand("only an operator may choose which of the gate's addresses mail leaves from")
        return DirectDelivery(tls=request.tls, families=request.families, source=source)

    def _public_only(self, host: str, before: list[bool]) -> bool:
        """Whether the host must not be a private address. Raises RefusedCommand if it is one."""
        public_only = self._freedom is not RouteFreedom.ANY and all(before)
        if public_only and self._freedom is RouteFreedom.PUBLIC and is_private_host(host):
            raise RefusedCommand(
                f"{host} is a private address or a local name: only an operator may set such a route "
                "(or allow it with VARCO_RELAY_PRIVATE_ROUTES)"
            )
        return public_only


def _addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """One of each family at most."""
    try:
        addresses = [ip_address(text.strip()) for text in texts]
    except ValueError:
        raise RefusedCommand("source: expected addresses of this gate, such as 192.0.2.10") from None
    if len({address.version for address in addresses}) < len(addresses):
        raise RefusedCommand("source: one IPv4 and one IPv6 address at most")
    return tuple(map(str, addresses))
