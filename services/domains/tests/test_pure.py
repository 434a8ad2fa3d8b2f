"""Folding, decisions and commands, without a bus."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from varco_common.base.errors import RefusedCommand
from varco_common.events import DomainAdded, DomainProven, DomainRemoved, DomainVouched, SenderAuthorised
from varco_common.events.domain_table import AccountDomains, account_of, apply
from varco_common.eventsourcing.commands import CommandContext
from varco_common.testing.folding import folds_alike, histories
from varco_domains import commands
from varco_domains.decide import later
from varco_domains.model import DOMAINS
from varco_domains.normalization import normal_domain

AT = datetime(2026, 11, 29, tzinfo=UTC)
CONTEXT = CommandContext("acme", AT, "token:1", "why")


def state_of(*events) -> AccountDomains:
    state = None
    for event in events:
        state = apply(state, event)
    assert state
    return state


def at(kind, **fields):
    return kind(at=AT, account="acme", **fields)


@given(histories(*DOMAINS.filters))
def test_domains_fold_alike(history):
    folds_alike(history, apply=apply, state=AccountDomains, key=account_of)


def test_a_domain_covers_its_subdomains():
    state = state_of(at(DomainVouched, domain="acme.example"), at(SenderAuthorised, pattern="a@x.y.acme.example"))
    assert [*state.domains] == ["acme.example"]
    assert state.covering("x.y.acme.example")
    assert not state.covering("notacme.example")


def test_an_added_domain_is_not_owned_before_it_is_proven():
    state = state_of(at(DomainAdded, domain="acme.example", proof="p"))
    assert not state.covering("acme.example")
    assert state_of(at(DomainAdded, domain="acme.example", proof="p"), at(DomainProven, domain="acme.example")).proving(
        "www.acme.example"
    )


def test_a_domain_that_is_removed_while_its_record_is_seen_is_not_proven():
    added, removed = at(DomainAdded, domain="acme.example", proof="p"), at(DomainRemoved, domain="acme.example")
    assert not state_of(added, removed, at(DomainProven, domain="acme.example")).domains


def test_a_removed_domain_that_senders_need_is_in_use():
    """Nobody may remove it, but the sender may have been authorised at the same moment."""
    state = state_of(
        at(DomainVouched, domain="acme.example"),
        at(SenderAuthorised, pattern="@sub.acme.example"),
        at(DomainRemoved, domain="acme.example"),
    )
    assert {name: domain.used_since for name, domain in state.domains.items()} == {"sub.acme.example": AT}


def test_a_domain_below_another_one_can_be_removed():
    state = state_of(
        at(DomainVouched, domain="acme.example"),
        at(DomainVouched, domain="sub.acme.example"),
        at(SenderAuthorised, pattern="@sub.acme.example"),
    )
    assert commands.remove_domain(state, CONTEXT, "sub.acme.example")
    with pytest.raises(RefusedCommand, match="may still send as @sub"):
        commands.remove_domain(state_of(at(SenderAuthorised, pattern="@sub.acme.example")), CONTEXT, "sub.acme.example")


def test_looks_become_rarer_as_the_domain_grows_old():
    ages = [timedelta(), timedelta(hours=1), timedelta(hours=8), timedelta(days=30)]
    delays = [later(AT, AT + age) - (AT + age) for age in ages]
    assert delays == [timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=2), timedelta(hours=12)]


@pytest.mark.parametrize("text", ["", "acme", "a b.example", "-a.example", "x" * 64 + ".example", "a." * 120 + "b"])
def test_what_is_no_domain_is_refused(text):
    with pytest.raises(RefusedCommand):
        normal_domain(text)
