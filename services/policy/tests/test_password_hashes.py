"""Password hashes, ours and those that customers bring."""

import re
from base64 import b64decode
from hashlib import pbkdf2_hmac

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type
from passlib import hash as passlib_hash
from passlib.hash import sha256_crypt, sha512_crypt

from varco_common.base.errors import RefusedCommand
from varco_policy.password_hashes import ImportedHashes, PasswdEntry, imported_hash, parse_passwd_line

HASHES = ImportedHashes(memory_kib=8_192)
PASSWORD = "città segreta"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
SHA512 = sha512_crypt.using(rounds=1000).hash(PASSWORD)
SHA256 = sha256_crypt.using(rounds=1000).hash(PASSWORD)
ARGON2ID = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
ARGON2I = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.I).hash(PASSWORD)
SHA512_5000 = (  # from the specification's own test vectors
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
)


OTHERS = [
    passlib_hash.md5_crypt.hash(PASSWORD),
    passlib_hash.ldap_salted_sha1.hash(PASSWORD),
    passlib_hash.ldap_salted_sha256.hash(PASSWORD),
    passlib_hash.ldap_salted_sha512.hash(PASSWORD),
    passlib_hash.pbkdf2_sha1.using(rounds=10).hash(PASSWORD),
    passlib_hash.pbkdf2_sha256.using(rounds=10).hash(PASSWORD),
    passlib_hash.ldap_pbkdf2_sha512.using(rounds=10).hash(PASSWORD),
    f"{{PBKDF2}}$1$aSalt$10${pbkdf2_hmac('sha1', PASSWORD.encode(), b'aSalt', 10).hex()}",
]


def scheme(digest: str) -> str:
    """A test's name that is the same in each process: salts aren't."""
    named = re.match(r"\{[^}]*\}|\$[^$]*\$", digest)
    return named[0] if named else digest[:4] or "empty"


@pytest.mark.parametrize(
    "given",
    [
        BCRYPT,
        BCRYPT.replace("$2b$", "$2y$"),
        SHA512,
        SHA256,
        ARGON2ID,
        ARGON2I,
        f"{{BLF-CRYPT}}{BCRYPT}",
        f"{{SHA512-CRYPT}}{SHA512}",
        f"{{ARGON2ID}}{ARGON2ID}",
        f"{{argon2i}}{ARGON2I}",
        f"{{CRYPT}}{SHA512}",
        HASHES.make(PASSWORD),
        *OTHERS,
        f"{{MD5-CRYPT}}{OTHERS[0]}",
        "{SSHA.HEX}" + b64decode(OTHERS[1].removeprefix("{SSHA}")).hex(),
    ],
    ids=scheme,
)
def test_a_hash_that_is_taken_can_be_verified(given):
    digest = imported_hash(given)
    assert HASHES.verify(digest, PASSWORD)
    assert not HASHES.verify(digest, PASSWORD + "!")
    assert not HASHES.verify(digest, "")


def test_the_specification_s_sha512_crypt_is_understood():
    assert HASHES.verify(imported_hash(SHA512_5000), "Hello world!")


@pytest.mark.parametrize("given", [BCRYPT, SHA512, SHA256, ARGON2I, ARGON2ID, *OTHERS], ids=scheme)
def test_a_hash_that_was_brought_along_is_to_be_made_anew(given):
    assert HASHES.outdated(given)
    assert not HASHES.outdated(HASHES.make(PASSWORD))


@pytest.mark.parametrize(
    "given",
    [
        "",
        "secret",
        "{PLAIN}secret",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",  # without a salt
        "{SSHA256}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{PBKDF2}$1$salt$999999999$" + "0" * 40,  # a thousand million rounds
        "$pbkdf2-sha256$99999999$c2FsdHNhbHQ$" + "a" * 43,
        "{MD5-CRYPT}$1$abc$def",
        "$argon2id$v=19$m=1048576,t=20,p=64$c2FsdHNhbHRzYWx0$u1MjgaAZYBRcPLJNNaQpcg",
        "$1$abc$def",
        "$6$salt$tooshort",
        SHA512.replace("rounds=1000", "rounds=999999999"),
        BCRYPT.replace("$04$", "$31$"),
        "$argon2id$v=19$m=99999999,t=3,p=4$c2FsdHNhbHRzYWx0$u1MjgaAZYBRcPLJNNaQpcg",
        "$argon2id$nonsense",
        "$y$j9T$abc$def",
    ],
    ids=scheme,
)
def test_a_hash_that_could_never_be_verified_is_refused(given):
    with pytest.raises(RefusedCommand):
        imported_hash(given)


def test_an_unknown_scheme_is_named():
    with pytest.raises(RefusedCommand, match="CRAM-MD5 is not supported"):
        imported_hash("{CRAM-MD5}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        (f"a@b.example:{{SHA512-CRYPT}}{SHA512}::::::", PasswdEntry("a@b.example", hash=SHA512)),
        (f"a:{SHA512}:19000:0:99999:7:::\n", PasswdEntry("a", hash=SHA512)),
        ("a:{PLAIN}secret word", PasswdEntry("a", password="secret word")),
    ],
    ids=["mailbox", "passwd", "plain"],
)
def test_a_passwd_file_line_is_read(line, imported):
    assert parse_passwd_line(line) == imported


@pytest.mark.parametrize("line", ["", "a", "a:", ":x", "a:{MD5}abc", "a:*", "a:!"])
def test_a_passwd_file_line_without_a_usable_hash_is_refused(line):
    with pytest.raises(RefusedCommand):
        parse_passwd_line(line)


def test_nobody_s_password_is_never_right():
    assert not HASHES.verify("", "nobody's password")


@pytest.mark.parametrize("digest", [BCRYPT, SHA512], ids=scheme)
def test_odd_passwords_are_wrong_and_no_error(digest):
    for odd in ("a\0b", "x" * 1000, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "é" * 50):
        assert not HASHES.verify(digest, odd)


def test_bcrypt_looks_at_72_bytes_as_it_always_did():
    long = "x" * 100
    digest = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert HASHES.verify(digest, long)
