"""What relay projects: built anew by `varco replay rebuild relay`."""

from varco_common.eventsourcing.rebuild.projected import FoldedProjection
from varco_relay import queue, routes
from varco_relay.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(routes.FOLD), FoldedProjection(queue.FOLD))
