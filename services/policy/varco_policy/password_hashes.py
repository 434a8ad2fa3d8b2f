"""Password hashes: argon2id, and imported ones (crypt(3), salted SHA, PBKDF2, Dovecot's files).

To make or verify a hash costs CPU by design: only do it in the threads of a PasswordVerifier.
"""

import hmac
import re
from base64 import b64encode
from hashlib import pbkdf2_hmac
from typing import Any, NamedTuple

import bcrypt
from passlib import hash as passlib_hash

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.passwords import Argon2, good_argon2

MAX_PASSWORD_BYTES = 1024
_BCRYPT_BYTES = 72  # bcrypt ignores the rest of a password
_MAX_ROUNDS = 1_000_000
_MAX_PBKDF2_ROUNDS = 2_000_000  # about a second
_MAX_BCRYPT_COST = 15

_SCHEME = re.compile(r"\{([A-Za-z0-9.-]+)\}(.*)", re.DOTALL)
_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_SHA_CRYPT = re.compile(r"\$([56])\$(?:rounds=(\d{1,9})\$)?[^$:\n]{0,16}\$[./A-Za-z0-9]+")
_SHA_CRYPT_LENGTH = {"5": 43, "6": 86}

_DOVECOT_PBKDF2 = re.compile(r"\{PBKDF2\}\$1\$([^$:\s]{1,64})\$(\d{1,9})\$([0-9a-f]{40})")

# Dovecot's names. CRYPT is anything that crypt(3) takes: the hash itself says which.
_CRYPT_SCHEMES = frozenset({"CRYPT", "MD5-CRYPT", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "ARGON2I", "ARGON2ID"})
# The scheme of these is part of the hash.
_SALTED_SCHEMES = frozenset({"SSHA", "SSHA256", "SSHA512"})
_PBKDF2_SCHEMES = frozenset({"PBKDF2", "PBKDF2-SHA256", "PBKDF2-SHA512"})
_SCHEMES = _CRYPT_SCHEMES | _SALTED_SCHEMES | _PBKDF2_SCHEMES
_CLEAR_SCHEMES = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})


# passlib's classes by the beginning of a hash.
_HANDLERS: dict[str, Any] = {
    "$1$": passlib_hash.md5_crypt,
    "$5$": passlib_hash.sha256_crypt,
    "$6$": passlib_hash.sha512_crypt,
    "{SSHA}": passlib_hash.ldap_salted_sha1,
    "{SSHA256}": passlib_hash.ldap_salted_sha256,
    "{SSHA512}": passlib_hash.ldap_salted_sha512,
    "$pbkdf2$": passlib_hash.pbkdf2_sha1,
    "$pbkdf2-sha256$": passlib_hash.pbkdf2_sha256,
    "$pbkdf2-sha512$": passlib_hash.pbkdf2_sha512,
}


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
    digest = _without_scheme(scheme[1], scheme[2]) if scheme else text
    checks = (_good_bcrypt, _good_sha_crypt, good_argon2, _good_md5_or_salted, _good_pbkdf2)
    if not any(good(digest) for good in checks):
        raise RefusedCommand(
            "not a password hash that can be verified, or one that takes too much memory or time: argon2 (up to 256 MiB), "
            "bcrypt ($2y$...), sha512-crypt ($6$...), md5-crypt ($1$...), {SSHA}, {SSHA256}, {SSHA512} or PBKDF2"
        )
    return digest


def _without_scheme(scheme: str, digest: str) -> str:
    """Salted SHA and PBKDF2 keep theirs, in upper case and in base64.

    Dovecot names another encoding behind the scheme: `{SSHA256.HEX}`.
    """
    name, _, encoding = scheme.upper().partition(".")
    if name not in _SCHEMES or encoding not in ("", "B64", "HEX"):
        raise RefusedCommand(f"password scheme {scheme} is not supported; supported are {', '.join(sorted(_SCHEMES))}")
    if name in _CRYPT_SCHEMES:
        return digest
    if encoding == "HEX":
        try:
            digest = b64encode(bytes.fromhex(digest)).decode()
        except ValueError:
            raise RefusedCommand(f"the hash behind {{{scheme}}} is not hexadecimal") from None
    if name in _PBKDF2_SCHEMES and not digest.startswith("$1$"):  # passlib's own form; $1$ is Dovecot's
        return f"${name.lower()}${digest}"
    return f"{{{name}}}{digest}"


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
        if match := _DOVECOT_PBKDF2.fullmatch(digest):
            made = pbkdf2_hmac("sha1", password.encode(), match[1].encode(), int(match[2]))
            return hmac.compare_digest(made.hex(), match[3])
        if handler := _handler(digest):
            return "\0" not in password and bool(handler.verify(password, digest))
        return super().verify(digest, password)


def _handler(digest: str) -> Any:
    """Passlib's class for the hash, or None."""
    return next((handler for prefix, handler in _HANDLERS.items() if digest.startswith(prefix)), None)


def _good_bcrypt(digest: str) -> bool:
    match = _BCRYPT.fullmatch(digest)
    return match is not None and 4 <= int(match[1]) <= _MAX_BCRYPT_COST


def _good_sha_crypt(digest: str) -> bool:
    match = _SHA_CRYPT.fullmatch(digest)
    if not match or len(digest.rpartition("$")[2]) != _SHA_CRYPT_LENGTH[match[1]]:
        return False
    return 1000 <= int(match[2] or 5000) <= _MAX_ROUNDS


def _good_md5_or_salted(digest: str) -> bool:
    return digest.startswith(("$1$", "{SSHA")) and _parsed(digest) is not None


def _good_pbkdf2(digest: str) -> bool:
    if match := _DOVECOT_PBKDF2.fullmatch(digest):
        return 1 <= int(match[2]) <= _MAX_PBKDF2_ROUNDS
    parsed = _parsed(digest) if digest.startswith("$pbkdf2") else None
    return parsed is not None and 1 <= parsed.rounds <= _MAX_PBKDF2_ROUNDS and len(parsed.salt) <= 64


def _parsed(digest: str) -> Any:
    """As passlib reads it; None if it can't, or if there is no hash behind the salt."""
    handler = _handler(digest)
    try:
        parsed = handler.from_string(digest) if handler else None
    except (ValueError, TypeError):  # passlib's errors are ValueErrors
        return None
    return parsed if parsed is not None and parsed.checksum else None
