"""What banguard projects: built anew by `varco replay rebuild banguard`."""

from varco_banguard import known_logins
from varco_banguard.settings import Settings
from varco_banguard.state import GATES, HOSTS
from varco_common.eventsourcing.rebuild.projected import FoldedProjection

SETTINGS = Settings
PROJECTIONS = (
    FoldedProjection(HOSTS),
    FoldedProjection(GATES),
    FoldedProjection(known_logins.KNOWN_LOGINS),
    FoldedProjection(known_logins.NETWORK_OWNERS),
)
