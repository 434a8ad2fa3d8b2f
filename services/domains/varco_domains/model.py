"""The state of domains: what `events/domain_table.py` in common folds. Pure."""

from varco_common.events import DOMAIN_SETTINGS
from varco_common.events.domain_table import FILTERS, KEY_FILTERS, AccountDomains, account_of, apply
from varco_common.eventsourcing.projection_spec import ProjectionSpec

DOMAINS = ProjectionSpec(
    "domains", (*FILTERS, *KEY_FILTERS), apply, AccountDomains, account_of, settings=DOMAIN_SETTINGS
)
