"""Tokens: what wasn't minted with this key opens nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.runtime.tokens import InvalidToken, Keyring

RING = Keyring(b"k" * 32)


def test_a_minted_token_says_who_calls():
    token, text = RING.mint("acme_it")
    assert RING.verify(text) == token
    assert (token.scope, token.is_admin) == ("acme_it", False)
    assert token.covers("acme_it")
    assert not token.covers("acme")


def test_an_admin_token_covers_every_account():
    token, text = RING.mint_admin()
    assert RING.verify(text).is_admin
    assert token.covers("acme")


def test_no_account_can_pass_for_the_admin():
    with pytest.raises(ValueError, match="admin"):
        RING.mint("admin")


@pytest.mark.parametrize("account", ["", "a b", "a/b", "a\n"])
def test_a_name_that_would_not_be_read_back_is_refused(account):
    with pytest.raises(ValueError, match="no scope"):
        RING.mint(account)


def test_a_token_of_another_key_is_invalid():
    with pytest.raises(InvalidToken):
        Keyring(b"x" * 32).verify(RING.mint("acme")[1])


def test_another_scope_makes_it_invalid():
    _, text = RING.mint("acme")
    with pytest.raises(InvalidToken):
        RING.verify(text.replace("acme", "admin"))


@given(st.data())
def test_a_token_that_was_cut_or_changed_anywhere_is_invalid(data):
    _, text = RING.mint("acme")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda char: char != text[at]))
    for forged in (text[:at], text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text + other):
        with pytest.raises(InvalidToken):
            RING.verify(forged)


def test_a_revoked_token_is_invalid_and_others_are_not():
    ring = Keyring(b"k" * 32)
    (token, text), (_, other) = ring.mint("acme"), ring.mint("acme")
    ring.revoke(token.id)
    with pytest.raises(InvalidToken):
        ring.verify(text)
    assert ring.verify(other).scope == "acme"
