"""How routes are written: in an account file, and for people. Pure."""

from typing import Any, Literal

from varco_common.events import (
    AddressFamilies,
    Blackhole,
    DirectDelivery,
    OAuth,
    OAuthMechanism,
    Route,
    RouteRule,
    Smarthost,
    Smarthosts,
    TlsUse,
)
from varco_relay.smtp.target import format_next_hop

BLACKHOLE: Literal["blackhole"] = "blackhole"
MX: Literal["mx"] = "mx"

RouteDocument = dict[str, Any] | Literal["blackhole", "mx"]


def describe_hop(hop: Smarthost) -> str:
    """Its name, as an account file has it."""
    return format_next_hop(hop.host, hop.port, mx=hop.mx)


def describe_route(route: Route | None) -> str:
    """The route for people, without its passwords."""
    match route:
        case None:
            return "none"
        case Blackhole():
            return BLACKHOLE
        case DirectDelivery(tls=tls, families=families, source=source):
            over = "" if families is AddressFamilies.BOTH else f" over {families} only"
            leaving = f" from {', '.join(source)}" if source else ""
            return f"{MX} tls {tls}{over}{leaving}"
        case Smarthost():
            login = f" as {route.login}" if route.login else ""
            login += f" by token ({route.oauth.provider})" if route.oauth else ""
            return f"{describe_hop(route)} tls {route.tls}{login}"
        case Smarthosts(hops=hops, balance=balance):
            return (", " if balance else ", else ").join(map(describe_route, hops)) + (", balanced" if balance else "")


def describe_rule(rule: RouteRule) -> str:
    """Which mail it is about, for people."""
    parts = (("senders", rule.senders), ("recipients", rule.recipients))
    return " ".join(f"{name} {', '.join(patterns)}" for name, patterns in parts if patterns) or "all mail"


def route_section(route: Route | None) -> RouteDocument | None:
    """As an account file has it, without the passwords."""
    match route:
        case None:
            return None
        case Blackhole():
            return BLACKHOLE
        case DirectDelivery():
            return _direct_section(route)
        case Smarthost():
            return {"smarthost": describe_hop(route), **_session(route)}
        case Smarthosts(hops=hops, balance=balance):
            shared = _session(hops[0])
            entries = [
                describe_hop(hop) if _session(hop) == shared else {"smarthost": describe_hop(hop), **_session(hop)}
                for hop in hops
            ]
            return {"smarthosts": entries, **({"balance": True} if balance else {}), **shared}


def rules_section(rules: tuple[RouteRule, ...]) -> list[dict[str, Any]]:
    """As an account file has them, without the passwords."""
    return [_rule_section(rule) for rule in rules]


def _rule_section(rule: RouteRule) -> dict[str, Any]:
    route = route_section(rule.route)
    match = {"senders": list(rule.senders), "recipients": list(rule.recipients)}
    covered = {name: patterns for name, patterns in match.items() if patterns}
    return covered | (route if isinstance(route, dict) else {"to": route})


def _direct_section(route: DirectDelivery) -> RouteDocument:
    section: dict[str, Any] = {"to": MX, "tls": str(route.tls)}
    if route.families is not AddressFamilies.BOTH:
        section["families"] = str(route.families)
    if route.source:
        section["source"] = list(route.source)
    return MX if section == {"to": MX, "tls": str(TlsUse.OPPORTUNISTIC)} else section


def _session(hop: Smarthost) -> dict[str, Any]:
    """How a session with it begins."""
    session: dict[str, Any] = {"tls": str(hop.tls)} | ({"login": hop.login} if hop.login else {})
    return session | ({"oauth": _oauth_section(hop.oauth)} if hop.oauth else {})


def _oauth_section(oauth: OAuth) -> dict[str, str]:
    """Without what the provider's usual settings say."""
    names = ("tenant", "client_id", "token_url", "scope")
    section = {"provider": str(oauth.provider)} | {name: getattr(oauth, name) for name in names if getattr(oauth, name)}
    return section | ({} if oauth.mechanism is OAuthMechanism.XOAUTH2 else {"mechanism": str(oauth.mechanism)})
