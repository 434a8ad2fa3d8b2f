"""Folding gives the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_common.events import TokenIssued, TokenRevoked
from varco_common.testing.folding import folds_alike, histories
from varco_policy.account_directory import FOLLOWED, account_of
from varco_policy.model import admin_tokens
from varco_policy.model.account import Account
from varco_policy.model.account_projection import apply
from varco_policy.model.admin_tokens import AdminTokens


@given(histories(*FOLLOWED))
def test_accounts_fold_alike(history):
    folds_alike(history, apply=apply, state=Account, key=account_of)


@given(histories(TokenIssued.subject_filter(), TokenRevoked.subject_filter()))
def test_admin_tokens_fold_alike(history):
    folds_alike(history, apply=admin_tokens.apply, state=AdminTokens)
