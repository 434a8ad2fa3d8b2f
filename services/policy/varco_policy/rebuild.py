"""What policy projects: built anew by `varco replay rebuild policy`."""

from varco_common.eventsourcing.rebuild.projected import FoldedProjection
from varco_policy import admin_tokens
from varco_policy.account_directory import ACCOUNTS
from varco_policy.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(ACCOUNTS), FoldedProjection(admin_tokens.ADMIN_TOKENS))
