"""Password hashes: argon2id, and imported ones (bcrypt, sha512-crypt, Dovecot's passwd files).

To make or verify a hash costs CPU by design: only do it in the threads of a PasswordVerifier.
"""

import re
from typing import NamedTuple

import bcrypt
from passlib.hash import sha256_crypt, sha512_crypt

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.passwords import Argon2, good_argon2

MAX_PASSWORD_BYTES = 1024
_BCRYPT_BYTES = 72  # bcrypt ignores the rest of a password
_MAX_ROUNDS = 1_000_000
_MAX_BCRYPT_COST = 15

_SCHEME = re.compile(r"\{([A-Za-z0-9.-]+)\}(.*)", re.DOTALL)
_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_SHA_CRYPT = re.compile(r"\$([56])\$(?:rounds=(\d{1,9})\$)?[^$:\n]{0,16}\$[./A-Za-z0-9]+")
_SHA_CRYPT_LENGTH = {"5": 43, "6": 86}

# Dovecot's names. CRYPT is anything that crypt(3) takes: the hash itself says which.
_SCHEMES = frozenset({"CRYPT", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "ARGON2I", "ARGON2ID"})
_CLEAR_SCHEMES = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})


class PasswdEntry(NamedTuple):
    """One line of a passwd file: a login with a hash, or with a password in clear."""

    login: str
    hash: str = ""
    password: str = ""


def imported_hash(text: str) -> str:
    """The hash without Dovecot's scheme.

    Raises RefusedCommand for a hash that could not be verified later.
    """
    text = text.strip()
    scheme = _SCHEME.fullmatch(text)
    if scheme and scheme[1].upper() not in _SCHEMES:
        known = ", ".join(sorted(_SCHEMES))
        raise RefusedCommand(f"password scheme {scheme[1]} is not supported; supported are {known}")
    digest = scheme[2] if scheme else text
    if not (_good_bcrypt(digest) or _good_sha_crypt(digest) or good_argon2(digest)):
        raise RefusedCommand(
            "not a password hash that can be verified: argon2, bcrypt ($2y$...) or sha512-crypt ($6$...)"
        )
    return digest


def parse_passwd_line(line: str) -> PasswdEntry:
    """`login:{SCHEME}hash`, with any further fields (Dovecot's passwd file, shadow).

    Raises RefusedCommand.
    """
    login, _, rest = line.strip().partition(":")
    digest = rest.partition(":")[0]
    if not login or not digest:
        raise RefusedCommand("a passwd-file line is login:{SCHEME}hash")
    scheme = _SCHEME.fullmatch(digest)
    if scheme and scheme[1].upper() in _CLEAR_SCHEMES:
        return PasswdEntry(login, password=scheme[2])
    try:
        return PasswdEntry(login, hash=imported_hash(digest))
    except RefusedCommand as refusal:
        raise RefusedCommand(f"{login}: {refusal}") from None


class ImportedHashes(Argon2):
    """Also verifies hashes that other systems made."""

    def verify(self, digest: str, password: str) -> bool:
        """As Argon2.verify."""
        if digest.startswith("$2"):
            return "\0" not in password and bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], digest.encode())
        if digest.startswith(("$5$", "$6$")):
            scheme = sha512_crypt if digest.startswith("$6$") else sha256_crypt
            return "\0" not in password and bool(scheme.verify(password, digest))
        return super().verify(digest, password)


def _good_bcrypt(digest: str) -> bool:
    match = _BCRYPT.fullmatch(digest)
    return match is not None and 4 <= int(match[1]) <= _MAX_BCRYPT_COST


def _good_sha_crypt(digest: str) -> bool:
    match = _SHA_CRYPT.fullmatch(digest)
    if not match or len(digest.rpartition("$")[2]) != _SHA_CRYPT_LENGTH[match[1]]:
        return False
    return 1000 <= int(match[2] or 5000) <= _MAX_ROUNDS
