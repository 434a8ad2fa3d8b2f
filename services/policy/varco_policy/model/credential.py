"""A login of an account, and how events change it. Pure."""

from datetime import datetime
from hashlib import sha256
from typing import TypeAlias, assert_never

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    CredentialAdded,
    CredentialDisabled,
    CredentialEnabled,
    CredentialRenamed,
    CredentialUpgraded,
    CredentialUsed,
    PasswordChanged,
)

CredentialChange: TypeAlias = (
    CredentialRenamed | PasswordChanged | CredentialUpgraded | CredentialDisabled | CredentialEnabled | CredentialUsed
)


class Credential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A login, its display name, and the hash of its password (PHC or crypt form).

    `origin` is the fingerprint of the hash as it was first given: an imported hash that was
    upgraded since is still recognised by it.
    """

    login: str
    name: str
    hash: str
    origin: str
    added_at: datetime
    changed_at: datetime
    used_at: datetime | None = None
    disabled: bool = False


def hash_fingerprint(password_hash: str) -> str:
    """The SHA-256 of a password hash, in hex."""
    return sha256(password_hash.encode()).hexdigest()


def new_credential(event: CredentialAdded) -> Credential:
    return Credential(
        login=event.login,
        name=event.name,
        hash=event.hash,
        origin=hash_fingerprint(event.hash),
        added_at=event.at,
        changed_at=event.at,
    )


def changed_credential(credential: Credential, event: CredentialChange) -> Credential:
    match event:
        case CredentialRenamed():
            return replace(credential, name=event.name)
        case PasswordChanged():
            return replace(credential, hash=event.hash, origin=hash_fingerprint(event.hash), changed_at=event.at)
        case CredentialUpgraded():
            return replace(credential, hash=event.hash)
        case CredentialDisabled():
            return replace(credential, disabled=True)
        case CredentialEnabled():
            return replace(credential, disabled=False)
        case CredentialUsed():
            return replace(credential, used_at=event.at)
        case _:
            assert_never(event)
