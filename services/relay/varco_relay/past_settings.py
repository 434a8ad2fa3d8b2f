"""Where an account's mail went at any time: relay's part of a past state."""

from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_relay.model.account_route import SETTINGS_EVENTS, AccountRoute, apply
from varco_relay.settings import Settings
from varco_relay.smtp.target import route_section

SETTINGS = Settings


def settings_view(_: Settings) -> FoldedSettings[AccountRoute]:
    """For state as of."""
    filters = (kind.subject_filter() for kind in SETTINGS_EVENTS)
    return FoldedSettings(*filters, apply=apply, show=_sections)


def _sections(state: AccountRoute) -> Sections:
    """Nothing where the default route holds."""
    section = route_section(state.route)
    return {"route": {"to": section} if isinstance(section, str) else section or {}}
