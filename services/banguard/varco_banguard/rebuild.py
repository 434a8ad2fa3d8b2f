"""What banguard projects: built anew by `varco replay rebuild banguard`."""

from varco_banguard import logins
from varco_banguard.register import GATES, HOSTS
from varco_banguard.settings import Settings
from varco_common.rebuild.projected import Folded

SETTINGS = Settings
PROJECTIONS = (Folded(HOSTS), Folded(GATES), Folded(logins.FOLD), Folded(logins.NETWORKS_FOLD))
