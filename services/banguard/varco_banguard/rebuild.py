"""The projections of banguard, for `varco replay rebuild banguard`."""

from varco_banguard.account_choices import ACCOUNTS
from varco_banguard.claimed_names import CLAIMED_NAMES
from varco_banguard.known_logins import KNOWN_LOGINS, NETWORK_OWNERS
from varco_banguard.projections import BAN_SETTINGS, HOSTS
from varco_banguard.settings import Settings
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection

SETTINGS = Settings
_SPECS = (HOSTS, BAN_SETTINGS, KNOWN_LOGINS, NETWORK_OWNERS, ACCOUNTS, CLAIMED_NAMES, ACCOUNT_TEXTS)
PROJECTIONS = tuple(FoldedProjection(spec) for spec in _SPECS)
