"""domains' projections, which `varco replay rebuild domains` builds anew."""

from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_domains.model import DOMAINS
from varco_domains.reputation.model import REPUTATIONS
from varco_domains.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(DOMAINS), FoldedProjection(REPUTATIONS))
