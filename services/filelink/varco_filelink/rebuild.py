"""What filelink projects: built anew by `varco replay rebuild filelink`."""

from varco_common.eventsourcing.rebuild.projected import FoldedProjection
from varco_filelink import links, terms
from varco_filelink.settings import Settings

SETTINGS = Settings
PROJECTIONS = (FoldedProjection(terms.FOLD), FoldedProjection(links.FOLD))
