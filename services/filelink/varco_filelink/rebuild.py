"""What `varco replay rebuild filelink` builds."""

from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_filelink.model import account_settings, link_state
from varco_filelink.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(account_settings.PROJECTION), FoldedProjection(link_state.PROJECTION))
