"""Setting an account's route: what would change, and the event that makes it so. Pure but for the seal."""

from datetime import datetime
from typing import Literal, NamedTuple

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import Blackhole, Route, RouteRemoved, RouteSet, Smarthost, TlsUse
from varco_relay.model.account_route import AccountRoute
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.target import BLACKHOLE, format_smarthost, parse_smarthost

_SIGNS = {"add": "+", "change": "~", "remove": "-"}


class Wish(NamedTuple):
    """A route as an account file has it. `password` None keeps the one that is there, where login and host stay."""

    host: str
    port: int
    tls: TlsUse
    login: str
    password: str | None


class Change(NamedTuple):
    """One difference: `section` and `key` say of what, `detail` is for people."""

    op: Literal["add", "change", "remove"]
    section: str
    key: str
    detail: str

    @property
    def line(self) -> str:
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail)))


class By(NamedTuple):
    """Who asks, when and why."""

    account: str
    at: datetime
    by: str
    reason: str = ""


def wish(text: str, tls: TlsUse, login: str, password: str | None) -> Wish:
    """Raises RefusedCommand, saying what is expected."""
    try:
        host, port = parse_smarthost(text)
    except ValueError as error:
        raise RefusedCommand(str(error)) from None
    if password and not login:
        raise RefusedCommand("a password without a login: give both, or neither")
    return Wish(host, port, tls, login, password)


def set_route(
    state: AccountRoute | None, wanted: Wish | Literal["blackhole"], by: By, seal: SecretBox
) -> tuple[list[Change], RouteSet | None]:
    """What changes, and the event; nothing where the route is so already. Raises RefusedCommand."""
    now = state.route if state else None
    route = Blackhole() if wanted == BLACKHOLE else _sealed(wanted, now, seal)
    if route == now:
        return [], None
    detail = f"{describe(now)} -> {describe(route)}" if now else describe(route)
    if isinstance(now, Smarthost) and isinstance(route, Smarthost) and describe(now) == describe(route):
        detail = "password changed"
    event = RouteSet(account=by.account, at=by.at, by=by.by, reason=by.reason, route=route)
    return [Change("change" if now else "add", "route", "", detail)], event


def remove_route(state: AccountRoute | None, by: By) -> tuple[list[Change], RouteRemoved]:
    """Raises NotFound where there is none."""
    if not state or not state.route:
        raise NotFound(f"{by.account} has no route of its own")
    event = RouteRemoved(account=by.account, at=by.at, by=by.by, reason=by.reason)
    return [Change("remove", "route", "", describe(state.route))], event


def describe(route: Route | None) -> str:
    """For people, the password left out."""
    match route:
        case None:
            return "none"
        case Blackhole():
            return BLACKHOLE
        case Smarthost():
            login = f" as {route.login}" if route.login else ""
            return f"{format_smarthost(route.host, route.port)} tls {route.tls}{login}"


def _sealed(wanted: Wish, now: Route | None, seal: SecretBox) -> Smarthost:
    """The same password keeps its seal: each sealing looks different, and nothing would have changed."""
    before = now if isinstance(now, Smarthost) else None
    same = before is not None and (before.host, before.port, before.login) == (wanted.host, wanted.port, wanted.login)
    secret = ""
    if not wanted.login:
        pass
    elif wanted.password is None:
        if not (same and before and before.secret):
            raise RefusedCommand("a login needs its password")
        secret = before.secret
    elif before and before.secret and seal.holds(before.secret, wanted.password):
        secret = before.secret
    else:
        secret = seal.seal(wanted.password)
    return Smarthost(host=wanted.host, port=wanted.port, tls=wanted.tls, login=wanted.login, secret=secret)
