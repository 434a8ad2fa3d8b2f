"""Signed notes, checkpoints and the chain of keys, against C2SP's own example and every way to
forge them.
"""

import pytest

from varco_common.transparency import checkpoint, signed_note
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.signed_note import BadNote, BadSignature, Note, PublicKey, SigningKey

# Of golang.org/x/mod/sumdb/note's documentation
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ROOT = b"r" * 32


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.new("varco-1")


def test_keys_and_signatures_are_those_of_the_go_implementation():
    key = SigningKey.parse(SKEY)
    assert str(key.public) == VKEY
    assert PublicKey.parse(VKEY) == key.public
    assert key.text() == SKEY
    text = SIGNED.partition("\n\n")[0] + "\n"
    assert signed_note.sign(text, [key]) == SIGNED
    assert Note.parse(SIGNED).signers([key.public]) == [key.public]


def test_an_altered_text_has_no_signer(key):
    altered = signed_note.sign("the text\n", [key]).replace("text", "test")
    with pytest.raises(BadSignature, match="altered"):
        Note.parse(altered).signers([key.public])


def test_a_stranger_is_no_signer(key):
    with pytest.raises(BadSignature, match="no trusted key"):
        Note.parse(signed_note.sign("the text\n", [SigningKey.new("varco-1")])).signers([key.public])


@pytest.mark.parametrize(
    "text", ["", "text\n", "text\n\n", "text\n\n— name\n", "text\n\n— name AAAA!\n", "a\tb\n\n— n AAAAAAAAAA==\n"]
)
def test_what_is_no_note_is_told_apart(text):
    with pytest.raises(BadNote):
        Note.parse(text)


@pytest.mark.parametrize(
    "text", ["", "name", "name+00000000+AAAA", VKEY.replace("c74f20a3", "c74f20a4"), VKEY[:-8], SKEY]
)
def test_what_is_no_public_key_is_told_apart(text):
    with pytest.raises(BadNote):
        PublicKey.parse(text)


@pytest.mark.parametrize("text", ["", VKEY, SKEY.replace("c74f20a3", "c74f20a4"), SKEY[:-8]])
def test_an_error_about_a_private_key_does_not_show_it(text):
    with pytest.raises(BadNote) as raised:
        SigningKey.parse(text)
    assert "AYEKFALVFGyNhPJEMzD1" not in str(raised.value)


def test_a_checkpoint_is_three_lines_and_a_signature(key):
    found = checkpoint.signed(key, 7, ROOT)
    assert found.text.splitlines()[:4] == ["varco-1", "7", "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=", ""]
    assert Checkpoint.parse(found.text) == found
    assert Chain([key.public]).verify(found) == key.public


@pytest.mark.parametrize(
    "body", ["o\n7\n", "o\n07\ncg==\n", "o\n-7\ncg==\n", "o\n7\ncg==\n", "\n7\ncg==\n", "o\n7\n???\n"]
)
def test_what_is_no_checkpoint_is_told_apart(key, body):
    with pytest.raises(BadNote):
        Checkpoint.parse(signed_note.sign(body, [key]))


def test_a_checkpoint_with_another_size_or_root_is_forged(key):
    text = checkpoint.signed(key, 7, ROOT).text
    for forged in (text.replace("\n7\n", "\n8\n"), text.replace("cnJy", "cnJz", 1)):
        with pytest.raises(BadSignature, match="forged"):
            Chain([key.public]).verify(Checkpoint.parse(forged))


def test_a_checkpoint_of_another_log_is_named_so(key):
    with pytest.raises(BadSignature, match="another log: varco-2"):
        Chain([key.public]).verify(checkpoint.signed(SigningKey.new("varco-2"), 7, ROOT))


def test_either_key_of_a_rotation_vouches_for_the_other(key):
    new = SigningKey.new("varco-1")
    rotated = Rotation.parse(checkpoint.rotation(key, new, 10).text)
    for trusted in (key, new):
        chain = Chain([trusted.public], [rotated])
        assert chain.verify(checkpoint.signed(key, 10, ROOT)) == key.public
        assert chain.verify(checkpoint.signed(new, 11, ROOT)) == new.public


def test_a_chain_goes_over_several_rotations_in_any_order(key):
    keys = [key, *(SigningKey.new("varco-1") for _ in range(3))]
    rotations = [checkpoint.rotation(keys[n], keys[n + 1], 10 * (n + 1)) for n in range(3)]
    chain = Chain([keys[1].public], rotations[::-1])
    for number, one in enumerate(keys):
        assert chain.verify(checkpoint.signed(one, 10 * number + 5, ROOT)) == one.public


def test_a_replaced_key_signs_nothing_later_and_a_new_one_nothing_earlier(key):
    new = SigningKey.new("varco-1")
    chain = Chain([key.public], [checkpoint.rotation(key, new, 10)])
    with pytest.raises(BadSignature, match="replaced"):
        chain.verify(checkpoint.signed(key, 11, ROOT))
    with pytest.raises(BadSignature, match="before it was in use"):
        chain.verify(checkpoint.signed(new, 9, ROOT))


def test_a_rotation_that_one_key_alone_signed_is_none(key):
    new = SigningKey.new("varco-1")
    text = Note.parse(checkpoint.rotation(key, new, 10).text).text
    for signer in (key, new):
        with pytest.raises(BadSignature, match="not both"):
            Rotation.parse(signed_note.sign(text, [signer]))


def test_a_rotation_between_strangers_makes_neither_trusted(key):
    one, two = SigningKey.new("varco-1"), SigningKey.new("varco-1")
    chain = Chain([key.public], [checkpoint.rotation(one, two, 10)])
    with pytest.raises(BadSignature, match="no trusted key"):
        chain.verify(checkpoint.signed(two, 11, ROOT))
