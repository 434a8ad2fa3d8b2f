"""When each domain and address was looked at last, also before this start.

A look that finds nothing new leaves no event, so this is in the service's database.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from varco_common.base import log
from varco_common.storage.database import DATABASE_ERRORS, AsyncEngine

_KEPT_SECONDS = 30 * 86_400  # of domains that are gone

_log = log.get(__name__)
_ALL = sa.text("SELECT key, at FROM looks")
_PUT = sa.text(
    "INSERT INTO looks (key, at) VALUES (:key, :at)"
    " ON CONFLICT (key) DO UPDATE SET at = excluded.at WHERE looks.at < excluded.at"
)
_SWEEP = sa.text("DELETE FROM looks WHERE at < :before")


class LookTimes:
    """In memory and in the database, which several processes may share.

    While the database is away, memory counts.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._times: dict[str, datetime] = {}

    def at(self, key: str) -> datetime | None:
        return self._times.get(key)

    async def load(self) -> None:
        """Takes over what other processes have noted, and what this one did before its start."""
        try:
            async with self._engine.connect() as connection:
                for key, seconds in (await connection.execute(_ALL)).all():
                    at = datetime.fromtimestamp(seconds, UTC)
                    self._times[key] = max(at, self._times.get(key, at))
        except DATABASE_ERRORS as error:
            _log.warning("times of looks can't be read", why=type(error).__name__)

    async def note(self, keys: Iterable[str]) -> None:
        """These were looked at just now."""
        now = datetime.now(UTC)
        noted = dict.fromkeys(keys, now)
        self._times |= noted
        seconds = int(now.timestamp())
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_PUT, [{"key": key, "at": seconds} for key in noted])
                await connection.execute(_SWEEP, {"before": seconds - _KEPT_SECONDS})
        except DATABASE_ERRORS as error:
            _log.warning("times of looks can't be kept", why=type(error).__name__)
