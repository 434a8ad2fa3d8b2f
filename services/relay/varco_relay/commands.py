"""Commands for routes and for mails in the queue: from a request to the events that carry it out.

Pure.
"""

from enum import Enum
from typing import Literal, NamedTuple, Protocol

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    Blackhole,
    DeliveryHeld,
    DeliveryReleased,
    MailDropped,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    Route,
    RouteRemoved,
    RouteSet,
    Smarthost,
    TlsUse,
)
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.queue import QueuedMail
from varco_relay.smtp.private_addresses import is_private_host
from varco_relay.smtp.target import BLACKHOLE, describe_route, parse_smarthost


class RouteRequest(NamedTuple):
    """A route as an account file has it.

    `password` None keeps the old one if login and host stay.
    """

    smarthost: str
    tls: TlsUse
    login: str = ""
    password: str | None = None


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


class Encrypts(Protocol):
    """What a command needs of a SecretBox."""

    def encrypt(self, password: str) -> str: ...
    def matches(self, secret: str, password: str) -> bool: ...


def set_route(
    state: AccountRoute | None,
    context: CommandContext,
    request: RouteRequest | Literal["blackhole"],
    secret_box: Encrypts,
    freedom: RouteFreedom = RouteFreedom.ANY,
) -> list[Change]:
    """Sets the route; no change if it is so already. Raises RefusedCommand."""
    before = state.route if state else None
    route = Blackhole() if request == BLACKHOLE else _smarthost(request, before, secret_box, freedom)
    if route == before:
        return []
    detail = f"{describe_route(before)} -> {describe_route(route)}" if before else describe_route(route)
    if before and describe_route(before) == describe_route(route):
        detail = _hidden_change(before, route)
    return [Change("change" if before else "add", "route", "", detail, context.event(RouteSet, route=route))]


def remove_route(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """Back to the default route. Raises NotFound if the account has none of its own."""
    if not state or not state.route:
        raise NotFound(f"{context.account} has no route of its own")
    return [Change("remove", "route", "", describe_route(state.route), context.event(RouteRemoved))]


def hold_account(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """No mail of the account is tried until it is released. No change if it is held already."""
    if state and state.hold:
        return []
    return [Change("add", "hold", "of all mail", "", context.event(DeliveryHeld))]


def release_account(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """Raises NotFound if the account's mail is not held."""
    if not state or not state.hold:
        raise NotFound(f"the mail of {context.account} isn't held")
    return [Change("remove", "hold", "of all mail", "", context.event(DeliveryReleased))]


def retry_mail(state: QueuedMail, context: CommandContext) -> MailRetryRequested:
    """Makes a mail due at once. Raises RefusedCommand for a mail that is held."""
    if state.held:
        raise RefusedCommand(f"{state.mail} is held: release it instead")
    return context.event(MailRetryRequested, mail=state.mail, sequence=state.sequence)


def hold_mail(state: QueuedMail, context: CommandContext) -> MailHeld | None:
    """No attempt is made until the mail is released. None if it is held already."""
    return None if state.held else context.event(MailHeld, mail=state.mail, sequence=state.sequence)


def release_mail(state: QueuedMail, context: CommandContext) -> MailReleased:
    """Makes a held mail due at once. Raises RefusedCommand for one that is not held."""
    if not state.held:
        raise RefusedCommand(f"{state.mail} isn't held")
    return context.event(MailReleased, mail=state.mail, sequence=state.sequence)


def drop_mail(state: QueuedMail, context: CommandContext) -> MailDropped:
    """Gives the mail up for every recipient that waits, without a DSN."""
    return context.event(MailDropped, mail=state.mail, sequence=state.sequence, recipients=state.recipients)


def _hidden_change(before: Route, route: Route) -> str:
    """What differs between routes that are described alike."""
    if isinstance(before, Smarthost) and isinstance(route, Smarthost) and before.public_only != route.public_only:
        return "may be a private address" if before.public_only else "must be a public address"
    return "password changed"


def _smarthost(request: RouteRequest, before: Route | None, secret_box: Encrypts, freedom: RouteFreedom) -> Smarthost:
    """Keeps the old secret for the same password: every encryption of it looks like a change.

    An account may change what is around a host that an operator chose.
    """
    smarthost, tls, login, password = request
    try:
        host, port = parse_smarthost(smarthost)
    except ValueError as error:
        raise RefusedCommand(str(error)) from None
    if password and not login:
        raise RefusedCommand("a password without a login: give both, or neither")
    old = before if isinstance(before, Smarthost) else Smarthost(host="", port=0)
    same_host = (old.host, old.port) == (host, port)
    public_only = freedom is not RouteFreedom.ANY and (old.public_only or not same_host)
    if public_only and freedom is RouteFreedom.PUBLIC and is_private_host(host):
        raise RefusedCommand(
            f"{host} is a private address or a local name: only an operator may set such a route "
            "(or allow it with VARCO_RELAY_PRIVATE_ROUTES)"
        )
    secret = ""
    if login and password is None:
        if not old.secret or not same_host or old.login != login:
            raise RefusedCommand("a login needs its password")
        secret = old.secret
    elif login and password is not None:
        secret = old.secret if secret_box.matches(old.secret, password) else secret_box.encrypt(password)
    return Smarthost(host=host, port=port, tls=tls, login=login, secret=secret, public_only=public_only)
