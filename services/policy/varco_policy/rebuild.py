"""The projections of policy, for `varco replay rebuild policy`."""

from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_policy.account_directory import ACCOUNTS
from varco_policy.admin_tokens import ADMIN_TOKENS
from varco_policy.domain_ownership import OWNED_DOMAINS
from varco_policy.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(ACCOUNTS), FoldedProjection(ADMIN_TOKENS), FoldedProjection(OWNED_DOMAINS))
