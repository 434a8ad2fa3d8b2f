"""What `varco replay rebuild filelink` builds."""

from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_filelink.model import account_settings, link_state
from varco_filelink.settings import Settings

SETTINGS = Settings
PROJECTIONS = (
    FoldedProjection(account_settings.PROJECTION),
    FoldedProjection(link_state.PROJECTION),
    FoldedProjection(ACCOUNT_TEXTS),
)
