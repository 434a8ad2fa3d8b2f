"""The domains of an account at any time: domains' part of a past state."""

from varco_common.events import DOMAIN_SETTINGS, DomainProven
from varco_common.events.domain_table import AccountDomains, account_of, apply
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_domains import metrics
from varco_domains.settings import Settings

SETTINGS = Settings


def settings_view(_: Settings) -> FoldedSettings[AccountDomains]:
    """For state as of."""
    filters = (kind.subject_filter() for kind in (*DOMAIN_SETTINGS, DomainProven))
    return FoldedSettings(*filters, apply=apply, show=_sections, key=account_of)


def _sections(state: AccountDomains) -> Sections:
    """Those of the account file."""
    return {"domains": {name: metrics.status(domain) for name, domain in state.domains.items() if domain.added}}
