"""What is to be reported: sessions of each day by domain, policy and failure.

Counts are in relay's database. No event makes them again.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime

import msgspec
import sqlalchemy as sa

from varco_common.base import log
from varco_common.storage.database import DATABASE_ERRORS, AsyncEngine
from varco_relay.smtp.tls_session import AppliedPolicy, TlsFailure
from varco_relay.tls_reports.report import SessionCount

MAX_UNSAVED = 10_000  # kinds of results; more are not counted while the database is away
_ATTEMPTS = 3  # SQLite gives up after five seconds in which another task writes
_log = log.get(__name__)

table = sa.Table(
    "tls_results",
    sa.MetaData(),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("sessions", sa.BigInteger, nullable=False),
)
_ADD = sa.text(
    "INSERT INTO tls_results (key, day, domain, policy, failure, sessions)"
    " VALUES (:key, :day, :domain, :policy, :failure, :sessions)"
    " ON CONFLICT (key) DO UPDATE SET sessions = tls_results.sessions + excluded.sessions"
)
_DAYS = sa.text("SELECT DISTINCT day, domain FROM tls_results WHERE day < :before ORDER BY day, domain")
_OF = sa.text("SELECT policy, failure, sessions FROM tls_results WHERE day = :day AND domain = :domain ORDER BY key")
_FORGET = sa.text("DELETE FROM tls_results WHERE day = :day AND domain = :domain")


class TlsResults:
    """`now` is the clock, UTC."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime]) -> None:
        self._engine, self._now = engine, now
        self._unsaved: Counter[tuple[str, AppliedPolicy, TlsFailure | None]] = Counter()

    def note(self, policy: AppliedPolicy, failure: TlsFailure | None) -> None:
        """One session of today."""
        if len(self._unsaved) < MAX_UNSAVED:
            self._unsaved[self._now().date().isoformat(), policy, failure] += 1

    async def save(self) -> None:
        """A database that is away costs nothing but time."""
        rows = [_row(*key, sessions) for key, sessions in self._unsaved.items()]
        if not rows:
            return
        counted, self._unsaved = self._unsaved, Counter()
        try:
            await self._add(rows)
        except BaseException as error:
            self._unsaved += counted
            if not isinstance(error, DATABASE_ERRORS):
                raise
            _log.warning("results of TLS can't be kept", why=type(error).__name__)

    async def _add(self, rows: list[dict[str, object]]) -> None:
        for left in reversed(range(_ATTEMPTS)):
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(_ADD, rows)
            except DATABASE_ERRORS:
                if not left:
                    raise
            else:
                return

    async def ended(self) -> list[tuple[date, str]]:
        """Days that are over and not yet reported, by domain."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_DAYS, {"before": self._now().date().isoformat()})
            return [(date.fromisoformat(day), domain) for day, domain in rows]

    async def of(self, day: date, domain: str) -> tuple[SessionCount, ...]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(_OF, {"day": day.isoformat(), "domain": domain})
            return tuple(_count(policy, failure, sessions) for policy, failure, sessions in rows)

    async def forget(self, day: date, domain: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(_FORGET, {"day": day.isoformat(), "domain": domain})


def _row(day: str, policy: AppliedPolicy, failure: TlsFailure | None, sessions: int) -> dict[str, object]:
    texts = [msgspec.json.encode(policy).decode(), msgspec.json.encode(failure).decode() if failure else ""]
    key = hashlib.sha256("\n".join([day, *texts]).encode()).hexdigest()  # texts may be longer than an index takes
    fields = {"day": day, "domain": policy.domain, "policy": texts[0], "failure": texts[1]}
    return {"key": key, **fields, "sessions": sessions}


def _count(policy: str, failure: str, sessions: int) -> SessionCount:
    failed = msgspec.json.decode(failure, type=TlsFailure) if failure else None
    return SessionCount(msgspec.json.decode(policy, type=AppliedPolicy), failed, sessions)
