"""Copy settings fold to the same state live, after a restart or rebuild, and as of a sequence."""

from hypothesis import given, settings

from varco_archive.model import FILTERS, CopySettings, apply
from varco_common.testing.folding import folds_alike, histories


@settings(deadline=None)  # a loaded machine is no failure
@given(histories(*FILTERS))
def test_archives_fold_alike(history):
    folds_alike(history, apply=apply, state=CopySettings)
