"""Bearer tokens of the HTTP APIs.

They are stateless: a service verifies them with policy's public key, without a request (ADR 1).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from varco_common.base.errors import VarcoError

ADMIN = "admin"
EARLIER_BYTES = 32  # the signature of an earlier version's token: HMAC-SHA256 with a key of all services

_TOKEN = re.compile(r"varco_([A-Za-z0-9._@+=:-]+)_([0-9a-z]{20})_((?:[0-9a-f]{64}){1,2})", re.ASCII)


class InvalidToken(VarcoError):
    """The text is not a token, or the token was revoked. The error never says which."""


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is `admin`, or the name of the only account that the token opens.

    `id` is the token's name.
    """

    id: str
    scope: str

    @property
    def is_admin(self) -> bool:
        return self.scope == ADMIN

    def covers(self, account: str) -> bool:
        return self.scope in (ADMIN, account)


class TokenParts(NamedTuple):
    """What a token's text says, which nobody has verified yet."""

    token: ApiToken
    signature: bytes


def token_parts(text: str) -> TokenParts:
    """Parses `varco_<scope>_<id>_<signature>`. Raises InvalidToken."""
    if not (match := _TOKEN.fullmatch(text)):
        raise InvalidToken("invalid token")
    scope, token_id, signature = match.groups()
    return TokenParts(ApiToken(id=token_id, scope=scope), bytes.fromhex(signature))


def signed_text(token: ApiToken) -> bytes:
    """What the signature is over."""
    return f"varco_{token.scope}_{token.id}".encode()


async def _unknown(_text: str) -> bool:
    return False


class Keyring:
    """Verifies tokens with the public key (PEM); holds the ids that were revoked.

    `verify_earlier` says whether a token of an earlier version is one: only policy knows. Raises
    ValueError if the key is none.
    """

    def __init__(self, public_key: bytes, verify_earlier: Callable[[str], Awaitable[bool]] = _unknown) -> None:
        key = load_pem_public_key(public_key)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the value of a file, not a type of ours
        self._key = key
        self.verify_earlier = verify_earlier
        self._revoked: set[str] = set()
        self._watchers: dict[str, set[asyncio.Event]] = {}

    async def verify(self, text: str) -> ApiToken:
        """Raises InvalidToken; TransientError if policy must be asked and is away."""
        token, signature = token_parts(text)
        earlier = len(signature) == EARLIER_BYTES
        if token.id in self._revoked or not (await self.verify_earlier(text) if earlier else self.is_signed(text)):
            raise InvalidToken("invalid token")
        return token

    def is_signed(self, text: str) -> bool:
        """Whether the private key signed it, revoked or not."""
        try:
            token, signature = token_parts(text)
            self._key.verify(signature, signed_text(token))
        except (InvalidToken, InvalidSignature):
            return False
        return True

    def revoke(self, token_id: str) -> None:
        self._revoked.add(token_id)
        for revoked in self._watchers.get(token_id, ()):
            revoked.set()

    @contextmanager
    def watching(self, token_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the token is revoked, or at once if it is already."""
        revoked = asyncio.Event()
        if token_id in self._revoked:
            revoked.set()
        watchers = self._watchers.setdefault(token_id, set())
        watchers.add(revoked)
        try:
            yield revoked
        finally:
            watchers.discard(revoked)
            if not watchers:
                self._watchers.pop(token_id, None)
