"""Folding gives the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_banguard import account_choices, ban_settings, claimed_names, known_logins, model
from varco_banguard.account_choices import ACCOUNT_FILTERS, AccountChoices
from varco_banguard.ban_settings import BanSettings
from varco_banguard.claimed_names import AccountNames
from varco_banguard.known_logins import KnownLogin, NetworkOwner
from varco_banguard.model import Host
from varco_banguard.projections import HOST_FILTERS, SETTINGS_FILTERS
from varco_common.testing.folding import folds_alike, histories


@given(histories(*HOST_FILTERS))
def test_hosts_fold_alike(history):
    folds_alike(history, apply=model.apply, state=Host, key=model.network_key)


@given(histories(*SETTINGS_FILTERS))
def test_rules_fold_alike(history):
    folds_alike(history, apply=ban_settings.apply, state=BanSettings)


@given(histories(*known_logins.LOGIN_FILTERS))
def test_logins_fold_alike(history):
    folds_alike(history, apply=known_logins.apply, state=KnownLogin, key=known_logins.key)


@given(histories(*known_logins.NETWORK_FILTERS))
def test_trusted_networks_fold_alike(history):
    folds_alike(history, apply=known_logins.apply_network, state=NetworkOwner, key=known_logins.network_key)


@given(histories(*ACCOUNT_FILTERS))
def test_accounts_fold_alike(history):
    folds_alike(history, apply=account_choices.apply, state=AccountChoices)


@given(histories(*claimed_names.NAME_FILTERS))
def test_names_of_accounts_fold_alike(history):
    key = claimed_names.CLAIMED_NAMES.key
    folds_alike(history, apply=claimed_names.apply, state=AccountNames, key=key)
