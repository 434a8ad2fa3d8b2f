"""Settings and links fold alike live, after a restart or rebuild, and as of a sequence."""

from hypothesis import given, settings

from varco_common.testing.folding import folds_alike, histories
from varco_filelink.model import account_settings, link_state
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.model.link_state import Link


@settings(deadline=None)  # a loaded machine is no failure
@given(histories(*account_settings.FILTERS))
def test_terms_fold_alike(history):
    folds_alike(history, apply=account_settings.apply, state=LinkSettings)


@settings(deadline=None)  # a loaded machine is no failure
@given(histories(*link_state.FILTERS))
def test_links_fold_alike(history):
    folds_alike(history, apply=link_state.apply, state=Link, key=link_state.key)
