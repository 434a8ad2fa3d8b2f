"""What policy projects: built anew by `varco replay rebuild policy`."""

from varco_common.eventsourcing.rebuild.projected import FoldedProjection
from varco_policy import tokens
from varco_policy.settings import Settings
from varco_policy.store import ACCOUNTS

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(ACCOUNTS), FoldedProjection(tokens.FOLD))
