"""Tokens in relay's database, sealed.

So a restart asks for none anew, and a refresh token that the provider has replaced is not lost.
"""

import time

import msgspec
import sqlalchemy as sa

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.storage.database import DATABASE_ERRORS, AsyncEngine
from varco_relay.secret_box import SecretBox

KEPT_SECONDS = 200 * 86_400  # longer than providers let an unused refresh token live

_log = log.get(__name__)
table = sa.Table(
    "oauth_tokens",
    sa.MetaData(),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("stored_at", sa.BigInteger, nullable=False),
)
_PUT = sa.text(
    "INSERT INTO oauth_tokens (key, sealed, stored_at) VALUES (:key, :sealed, :stored_at)"
    " ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, stored_at = excluded.stored_at"
)
_GET = sa.text("SELECT sealed FROM oauth_tokens WHERE key = :key")
_SWEEP = sa.text("DELETE FROM oauth_tokens WHERE stored_at < :before")


class KeptToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token, from when to when it is good (Unix time), and the newest refresh token."""

    access_token: str
    begins: float
    ends: float
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"KeptToken(until {self.ends:.0f})"


class TokenStore:
    """A database that is away costs a request for a token, no mail."""

    def __init__(self, engine: AsyncEngine, secret_box: SecretBox) -> None:
        self._engine, self._secret_box = engine, secret_box

    async def load(self, key: str) -> KeptToken | None:
        try:
            async with self._engine.connect() as connection:
                sealed = (await connection.execute(_GET, {"key": key})).scalar()
            return msgspec.json.decode(self._secret_box.decrypt(sealed), type=KeptToken) if sealed else None
        except (*DATABASE_ERRORS, TransientError, msgspec.DecodeError) as error:
            _log.warning("a kept token can't be read", why=type(error).__name__)
            return None

    async def save(self, key: str, token: KeptToken) -> None:
        """Deletes those of routes that are long gone, too."""
        now = int(time.time())
        sealed = self._secret_box.encrypt(msgspec.json.encode(token).decode())
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_PUT, {"key": key, "sealed": sealed, "stored_at": now})
                await connection.execute(_SWEEP, {"before": now - KEPT_SECONDS})
        except DATABASE_ERRORS as error:
            _log.warning("a token can't be kept", why=type(error).__name__)
