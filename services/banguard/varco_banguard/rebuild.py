"""What banguard projects: built anew by `varco replay rebuild banguard`."""

from varco_banguard import logins
from varco_banguard.register import GATES, HOSTS
from varco_banguard.settings import Settings
from varco_common.eventsourcing.rebuild.projected import FoldedProjection

SETTINGS = Settings
PROJECTIONS = (
    FoldedProjection(HOSTS),
    FoldedProjection(GATES),
    FoldedProjection(logins.FOLD),
    FoldedProjection(logins.NETWORKS_FOLD),
)
