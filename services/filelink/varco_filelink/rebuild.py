"""What filelink projects: built anew by `varco replay rebuild filelink`."""

from varco_common.rebuild.projected import Folded
from varco_filelink import links, terms
from varco_filelink.settings import Settings

SETTINGS = Settings
PROJECTIONS = (Folded(terms.FOLD), Folded(links.FOLD))
