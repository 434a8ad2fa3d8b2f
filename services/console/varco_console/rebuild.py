"""The projection of console, for `varco replay rebuild console`."""

from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_console.model import PEOPLE
from varco_console.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(PEOPLE),)
