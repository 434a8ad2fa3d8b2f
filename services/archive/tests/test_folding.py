"""How mail is copied folds to the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_archive.model import FILTERS, CopySettings, apply
from varco_common.testing.folding import folds_alike, histories


@given(histories(*FILTERS))
def test_archives_fold_alike(history):
    folds_alike(history, apply=apply, state=CopySettings)
