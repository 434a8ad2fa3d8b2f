"""Bearer tokens of the HTTP APIs.

They are stateless: a service verifies them without a request (ADR 1).
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from varco_common.base.errors import VarcoError
from varco_common.base.ids import new_id

ADMIN = "admin"

_TOKEN = re.compile(r"varco_([A-Za-z0-9._@+=:-]+)_([0-9a-z]{20})_([0-9a-f]{64})", re.ASCII)


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


class Keyring:
    """Mints and verifies `varco_<scope>_<id>_<hmac>`; holds the ids that were revoked."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._revoked: set[str] = set()
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def mint_admin(self) -> tuple[ApiToken, str]:
        """A token for everything, and its text, which is not stored anywhere."""
        return self._mint(ADMIN)

    def mint(self, account: str) -> tuple[ApiToken, str]:
        """A token for one account, and its text, which is not stored anywhere.

        Raises ValueError if the name can't be a scope.
        """
        if account == ADMIN:
            raise ValueError("no account can be called admin: its tokens would open all others")
        return self._mint(account)

    def verify(self, text: str) -> ApiToken:
        """Raises InvalidToken."""
        match = _TOKEN.fullmatch(text)
        if not match:
            raise InvalidToken("invalid token")
        scope, token_id, signature = match.groups()
        if not hmac.compare_digest(signature, self._sign(scope, token_id)) or token_id in self._revoked:
            raise InvalidToken("invalid token")
        return ApiToken(id=token_id, scope=scope)

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

    def _mint(self, scope: str) -> tuple[ApiToken, str]:
        token = ApiToken(id=new_id(), scope=scope)
        text = f"varco_{scope}_{token.id}_{self._sign(scope, token.id)}"
        if not _TOKEN.fullmatch(text):
            raise ValueError(f"no scope for a token: {scope!r}")
        return token, text

    def _sign(self, scope: str, token_id: str) -> str:
        return hmac.new(self._key, f"varco_{scope}_{token_id}".encode(), hashlib.sha256).hexdigest()
