"""What relay projects: built anew by `varco replay rebuild relay`."""

from varco_common.rebuild.projected import Folded
from varco_relay import queue, routes
from varco_relay.settings import Settings

SETTINGS = Settings
PROJECTIONS = (Folded(routes.FOLD), Folded(queue.FOLD))
