"""Bearer tokens of the HTTP APIs.

They are stateless: a service verifies them with policy's public key, without a request (ADR 1).
"""

import asyncio
import re
import time
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

PERSON_NAME = r"[a-z0-9][a-z0-9._@-]{0,63}"

_SCOPE_AND_ID = r"([A-Za-z0-9._@+=:-]+)_([0-9a-z]{20})"
_TOKEN = re.compile(rf"varco_{_SCOPE_AND_ID}_((?:[0-9a-f]{{64}}){{1,2}})", re.ASCII)
_LIMITED = re.compile(
    rf"varco2_{_SCOPE_AND_ID}_(read|change)_(\d{{1,12}})_({PERSON_NAME}|)_([0-9a-f]{{128}})", re.ASCII
)


class InvalidToken(VarcoError):
    """The text is not a token, or the token was revoked. The error never says which."""


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is `admin`, or the name of the only account that the token opens.

    `id` is the token's name. A `read_only` token changes nothing. `until` is when it ends, in
    seconds since 1970; 0: never. `person` is the one that the console acts for (ADR 36).
    """

    id: str
    scope: str
    read_only: bool = False
    until: int = 0
    person: str = ""

    @property
    def by(self) -> str:
        """Who did something with it, as events say it."""
        return f"person:{self.person}" if self.person else f"token:{self.id}"

    @property
    def is_limited(self) -> bool:
        """Whether its text needs more than a scope."""
        return bool(self.read_only or self.until or self.person)

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
    """Parses `varco_<scope>_<id>_<signature>`.

    A limited one is `varco2_<scope>_<id>_<right>_<until>_<person>_<signature>`. Raises
    InvalidToken.
    """
    if match := _TOKEN.fullmatch(text):
        scope, token_id, signature = match.groups()
        return TokenParts(ApiToken(id=token_id, scope=scope), bytes.fromhex(signature))
    if match := _LIMITED.fullmatch(text):
        scope, token_id, right, until, person, signature = match.groups()
        token = ApiToken(id=token_id, scope=scope, read_only=right == "read", until=int(until), person=person)
        return TokenParts(token, bytes.fromhex(signature))
    raise InvalidToken("invalid token")


def signed_text(token: ApiToken) -> bytes:
    """What the signature is over."""
    if not token.is_limited:
        return f"varco_{token.scope}_{token.id}".encode()
    right = "read" if token.read_only else "change"
    return f"varco2_{token.scope}_{token.id}_{right}_{token.until}_{token.person}".encode()


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
        ended = token.until and token.until <= time.time()
        if (
            ended
            or token.id in self._revoked
            or not (await self.verify_earlier(text) if earlier else self.is_signed(text))
        ):
            raise InvalidToken("invalid token")
        return token

    def is_signed(self, text: str) -> bool:
        """Whether the private key signed it, revoked, ended or not."""
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
