"""What policy projects: built anew by `varco replay rebuild policy`."""

from varco_common.rebuild.projected import Folded
from varco_policy import tokens
from varco_policy.settings import Settings
from varco_policy.store import ACCOUNTS

SETTINGS = Settings
PROJECTIONS = (Folded(ACCOUNTS), Folded(tokens.FOLD))
