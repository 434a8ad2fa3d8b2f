"""Commands on DKIM keys, without a bus."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_common.base.errors import RefusedCommand
from varco_common.events import DkimAlgorithm, DkimKeyActivated, DkimKeyMade, DkimKeyRetired, DomainVouched
from varco_common.events.domain_table import AccountDomains, apply
from varco_common.eventsourcing.commands import CommandContext
from varco_common.mail.dkim_keys import DkimKeyAnswer
from varco_domains import dkim, key_commands

AT = datetime(2026, 11, 29, tzinfo=UTC)
NEW = {algorithm: DkimKeyAnswer(public="p", secret="sealed") for algorithm in DkimAlgorithm}
NAME = "acme.example"


def at(days: float = 0) -> CommandContext:
    return CommandContext("acme", AT + timedelta(days=days), "domains")


def folded(state, changes) -> AccountDomains:
    for change in changes:
        state = apply(state, change.event)
    return state


@pytest.fixture
def signing() -> AccountDomains:
    """Two keys of the first generation sign."""
    state = apply(None, DomainVouched(at=AT, account="acme", domain=NAME))
    state = folded(state, key_commands.first_keys(state, at(), NAME, NEW))
    for selector in ("varco1", "varco1e"):
        state = folded(state, key_commands.activate(state, at(), NAME, selector))
    return state


def test_selectors_take_turns():
    names = [dkim.selector(generation, algorithm) for generation in (1, 2, 3) for algorithm in DkimAlgorithm]
    assert names == ["varco1", "varco1e", "varco2", "varco2e", "varco1", "varco1e"]


def test_the_first_key_is_made_once(signing):
    assert key_commands.first_keys(signing, at(), NAME, NEW) == []
    assert key_commands.activate(signing, at(), NAME, "varco1") == []
    assert key_commands.activate(signing, at(), NAME, "gone") == []


def test_a_replaced_key_is_retired_after_seven_days(signing):
    state = folded(signing, key_commands.next_keys(signing, at(), NAME, NEW))
    state = folded(state, key_commands.activate(state, at(1), NAME, "varco2"))
    assert [key.selector for key in state.domains[NAME].signing_keys] == ["varco2"]
    assert key_commands.retire(state, at(7.9), NAME) == []
    with pytest.raises(RefusedCommand, match="the next key is there already"):  # its Ed25519 key waits
        key_commands.rotatable(state, NAME)
    state = folded(state, key_commands.activate(state, at(1), NAME, "varco2e"))
    with pytest.raises(RefusedCommand, match="retires on 2026-12-07"):
        key_commands.rotatable(state, NAME)
    state = folded(state, key_commands.retire(state, at(8), NAME))
    assert [*state.domains[NAME].keys] == ["varco2", "varco2e"]
    third = key_commands.next_keys(state, at(9), NAME, NEW)
    assert [change.event.selector for change in third] == ["varco1", "varco1e"]


def test_a_key_of_a_domain_that_is_gone_changes_nothing(signing):
    fields = {"at": AT, "account": "acme", "domain": "gone.example", "selector": "varco1"}
    made = DkimKeyMade(**fields, algorithm=DkimAlgorithm.RSA, generation=1, public="p", secret="s")
    for event in (made, DkimKeyActivated(**fields), DkimKeyRetired(**fields)):
        assert apply(signing, event) == signing


def test_a_record_is_read_as_verifiers_read_it(signing):
    key = signing.domains[NAME].keys["varco1e"]
    assert dkim.key_record(key) == "v=DKIM1; k=ed25519; h=sha256; p=p"
    assert dkim.tags_of("v=DKIM1;k = rsa ; p=AB CD\tEF;; x") == {"v": "DKIM1", "k": "rsa", "p": "ABCDEF"}
