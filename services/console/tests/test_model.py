"""Folding gives the same people live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_common.testing.folding import folds_alike, histories
from varco_console.model import FILTERS, Person, apply


@given(histories(*FILTERS))
def test_people_fold_alike(history):
    folds_alike(history, apply=apply, state=Person)
