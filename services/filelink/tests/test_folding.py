"""Terms and links fold to the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_common.testing.folding import folds_alike, histories
from varco_filelink import links, terms
from varco_filelink.links import Link
from varco_filelink.terms import Terms


@given(histories(*terms.FILTERS))
def test_terms_fold_alike(history):
    folds_alike(history, apply=terms.apply, state=Terms)


@given(histories(*links.FILTERS))
def test_links_fold_alike(history):
    folds_alike(history, apply=links.apply, state=Link, key=links.key)
