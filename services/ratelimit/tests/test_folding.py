"""Quotas fold to the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_common.testing.folding import folds_alike, histories
from varco_ratelimit.model import FILTERS, AccountQuotas, account_of, apply


@given(histories(*FILTERS))
def test_quotas_fold_alike(history):
    folds_alike(history, apply=apply, state=AccountQuotas, key=account_of)
