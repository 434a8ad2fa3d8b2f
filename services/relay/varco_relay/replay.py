"""Where an account's mail went at any time: relay's part of the state as of."""

from varco_common.events import Blackhole, Route, Smarthost
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_relay.model.account_route import AccountRoute, apply
from varco_relay.settings import Settings
from varco_relay.smtp.target import format_smarthost

SETTINGS = Settings


def _show(held: AccountRoute) -> Sections:
    return {"route": {"route": _said(held.route)}}


def _said(route: Route | None) -> str:
    match route:
        case Smarthost(host=host, port=port, tls=tls, login=login):
            return f"{format_smarthost(host, port)}, tls {tls}{f', as {login}' if login else ''}"
        case Blackhole():
            return "blackhole"
        case None:
            return "the default one"


def shown(_: Settings) -> FoldedSettings[AccountRoute]:
    """For state as of."""
    return FoldedSettings("events.relay.route-set.*", "events.relay.route-removed.*", apply=apply, show=_show)
