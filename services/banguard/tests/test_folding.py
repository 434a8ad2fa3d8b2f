"""Hosts, rules, logins and trusted networks fold to the same live, after a restart, after a rebuild, as of any sequence."""

from hypothesis import given

from varco_banguard import logins, rules, strikes
from varco_banguard.logins import Login, Trusted
from varco_banguard.register import GATE_FACTS, HOST_FACTS, NAME
from varco_banguard.rules import Gate
from varco_banguard.strikes import Host
from varco_common.base.subjects import event
from varco_common.testing.folding import folds_alike, histories


@given(histories(*(event(NAME, fact, "*") for fact in HOST_FACTS)))
def test_hosts_fold_alike(history):
    folds_alike(history, apply=strikes.apply, state=Host)


@given(histories(*(event(NAME, fact, "*") for fact in GATE_FACTS)))
def test_rules_fold_alike(history):
    folds_alike(history, apply=rules.apply, state=Gate)


@given(histories(*logins.FILTERS))
def test_logins_fold_alike(history):
    folds_alike(history, apply=logins.apply, state=Login, key=logins.key)


@given(histories(*logins.NETWORKS))
def test_trusted_networks_fold_alike(history):
    folds_alike(history, apply=logins.apply_network, state=Trusted, key=logins.network_key)
