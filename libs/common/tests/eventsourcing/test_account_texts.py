"""What an account's users read, as every service folds it."""

from hypothesis import given

from varco_common.eventsourcing.account_texts import FILTERS, apply
from varco_common.mail.account_texts import AccountTexts
from varco_common.testing.folding import folds_alike, histories


@given(histories(*FILTERS))
def test_texts_fold_alike(history):
    folds_alike(history, apply=apply, state=AccountTexts)
