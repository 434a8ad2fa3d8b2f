"""Tokens: what wasn't minted with this key opens nothing."""

import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import InvalidToken, Keyring

SIGNER = TokenSigner(b"k" * 32)
RING = Keyring(SIGNER.public_key)


async def test_a_minted_token_says_who_calls():
    token, text = SIGNER.mint("acme_it")
    assert await RING.verify(text) == token
    assert (token.scope, token.is_admin) == ("acme_it", False)
    assert token.covers("acme_it")
    assert not token.covers("acme")


async def test_an_admin_token_covers_every_account():
    token, text = SIGNER.mint_admin()
    assert (await RING.verify(text)).is_admin
    assert token.covers("acme")


def test_no_account_can_pass_for_the_admin():
    with pytest.raises(ValueError, match="admin"):
        SIGNER.mint("admin")


@pytest.mark.parametrize("account", ["", "a b", "a/b", "a\n"])
def test_a_name_that_would_not_be_read_back_is_refused(account):
    with pytest.raises(ValueError, match="no scope"):
        SIGNER.mint(account)


async def test_a_token_of_another_key_is_invalid():
    with pytest.raises(InvalidToken):
        await Keyring(TokenSigner(b"x" * 32).public_key).verify(SIGNER.mint("acme")[1])


async def test_another_scope_makes_it_invalid():
    _, text = SIGNER.mint("acme")
    with pytest.raises(InvalidToken):
        await RING.verify(text.replace("acme", "admin"))


@given(st.data())
def test_a_token_that_was_cut_or_changed_anywhere_is_invalid(data):
    _, text = SIGNER.mint("acme")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda char: char != text[at]))
    for forged in (text[:at], text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text + other):
        assert not RING.is_signed(forged)
        with pytest.raises(InvalidToken):
            SIGNER.verify_earlier(forged)


async def test_a_revoked_token_is_invalid_and_others_are_not():
    ring = Keyring(SIGNER.public_key)
    (token, text), (_, other) = SIGNER.mint("acme"), SIGNER.mint("acme")
    ring.revoke(token.id)
    with pytest.raises(InvalidToken):
        await ring.verify(text)
    assert (await ring.verify(other)).scope == "acme"


def earlier(account: str, secret: bytes = b"k" * 32) -> str:
    """A token as versions before 29 November 2026 made it."""
    content = f"varco_{account}_{'0' * 20}"
    return f"{content}_{hmac.new(secret, content.encode(), hashlib.sha256).hexdigest()}"


def test_the_secret_verifies_a_token_of_an_earlier_version():
    assert SIGNER.verify_earlier(earlier("acme")).scope == "acme"


def test_a_token_of_an_earlier_version_and_another_key_is_invalid():
    with pytest.raises(InvalidToken):
        SIGNER.verify_earlier(earlier("acme", b"x" * 32))


async def test_the_public_key_alone_opens_no_token_of_an_earlier_version():
    with pytest.raises(InvalidToken):
        await RING.verify(earlier("admin"))


async def test_a_renewed_token_has_the_same_id_and_scope():
    renewed = await RING.verify(SIGNER.renewed(earlier("acme")))
    assert renewed == SIGNER.verify_earlier(earlier("acme"))


@pytest.mark.parametrize("key", [b"", b"k" * 64, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(key):
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own text
        Keyring(key)


async def test_a_limited_token_says_for_whom_and_until_when_it_reads():
    until = int(time.time()) + 300
    token, text = SIGNER.mint_limited("acme", read_only=True, until=until, person="anna_b@acme.example")
    assert await RING.verify(text) == token
    assert (token.scope, token.read_only, token.until, token.by) == ("acme", True, until, "person:anna_b@acme.example")
    assert SIGNER.mint("acme")[0].by.startswith("token:")


async def test_a_limited_token_ends():
    _, text = SIGNER.mint_limited("acme", until=int(time.time()))
    with pytest.raises(InvalidToken):
        await RING.verify(text)


@pytest.mark.parametrize(
    ("old", "new"), [("_read_", "_change_"), ("_anna_", "_bert_"), ("varco2_acme_", "varco2_admin_"), ("_77", "_97")]
)
async def test_no_limit_of_a_token_can_be_changed(old, new):
    _, text = SIGNER.mint_limited("acme", read_only=True, until=7_700_000_000, person="anna")
    assert await RING.verify(text)
    with pytest.raises(InvalidToken):
        await RING.verify(text.replace(old, new, 1))


def test_a_person_whose_name_would_not_be_read_back_gets_no_token():
    for person in ("Anna", "a b", "a/b", "a" * 65):
        with pytest.raises(ValueError, match="no scope"):
            SIGNER.mint_limited("acme", person=person)
