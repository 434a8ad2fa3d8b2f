"""What relay projects: built anew by `varco replay rebuild relay`."""

from varco_common.eventsourcing.rebuild.projected import FoldedProjection
from varco_relay.model import account_route, queue
from varco_relay.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(account_route.FOLD), FoldedProjection(queue.FOLD))
