"""Where an account's mail went at any time: relay's part of a past state."""

from varco_common.events import Blackhole, Route, Smarthost
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_relay.model.account_route import SETTINGS_EVENTS, AccountRoute, apply
from varco_relay.settings import Settings
from varco_relay.smtp.target import BLACKHOLE, format_smarthost

SETTINGS = Settings


def settings_view(_: Settings) -> FoldedSettings[AccountRoute]:
    """For state as of."""
    filters = (kind.subject_filter() for kind in SETTINGS_EVENTS)
    return FoldedSettings(*filters, apply=apply, show=_sections)


def _sections(state: AccountRoute) -> Sections:
    return {"route": _shown(state.route)}


def _shown(route: Route | None) -> dict[str, str]:
    """As an account file has it, without the password; nothing where the default route holds."""
    match route:
        case Smarthost(host=host, port=port, tls=tls, login=login):
            return {"smarthost": format_smarthost(host, port), "tls": str(tls)} | ({"login": login} if login else {})
        case Blackhole():
            return {"to": BLACKHOLE}
        case None:
            return {}
