"""The counted mails in the service's database, and up to which sequence of MAIL.

So a start need not read MAIL again. Processes that share a database save the same mails; each has
one row.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base import log
from varco_common.base.tasks import uncancellable
from varco_common.storage.database import DATABASE_ERRORS, READ_ONLY, in_words, progress
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, day_of
from varco_ratelimit.mail_counter import MailCounter, UnsavedMail
from varco_ratelimit.quota_windows import DAY, HOUR, LONGEST
from varco_ratelimit.window_counter import METERS, Amounts

_SAVE_SECONDS = 1.0  # what is not saved costs a restart that many seconds of MAIL
_WITHOUT_DATABASE = 7 * DAY  # how far back a start without a database reads, to know recipients
PROGRESS = "counted"
_ROWS = 5_000

tables = sa.MetaData()
met = sa.Table(
    "met",
    tables,
    sa.Column("pair", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Integer, nullable=False),
)
counted = sa.Table(
    "counted",
    tables,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("mail", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    *(sa.Column(meter.value, sa.BigInteger, nullable=False) for meter in METERS),
)

_PUT_PAIR = sa.text(
    "INSERT INTO met (pair, day) VALUES (:pair, :day)"
    " ON CONFLICT (pair) DO UPDATE SET day = CASE WHEN excluded.day > met.day THEN excluded.day ELSE met.day END"
)
_PUT_MAIL = sa.text(
    f"INSERT INTO counted (sequence, at, mail, account, sender, {', '.join(METERS)})"  # noqa: S608 - names of our own
    f" VALUES (:sequence, :at, :mail, :account, :sender, {', '.join(f':{meter}' for meter in METERS)}) ON CONFLICT DO NOTHING"
)
_ADVANCE = sa.text(
    "INSERT INTO progress (projection, sequence) VALUES (:projection, :sequence)"
    " ON CONFLICT (projection) DO UPDATE SET sequence = CASE WHEN excluded.sequence > progress.sequence"
    " THEN excluded.sequence ELSE progress.sequence END"
)
_log = log.get(__name__)


class Loaded(NamedTuple):
    """Up to which sequence of MAIL mails were loaded; its record was stored `at` or later."""

    sequence: int
    at: int


async def load(engine: AsyncEngine, counters: QuotaCounters, known: KnownRecipients, last: int, now: int) -> Loaded:
    """Fills `counters` and `known`.

    `last` is the last sequence of MAIL, `now` milliseconds since 1970.

    A database that is ahead of MAIL belongs to another MAIL: its counted mails are dropped. Raises
    DATABASE_ERRORS.
    """
    async with engine.begin() as connection:
        await _forget(connection, now)
        newest = 0
        query = sa.select(progress.c.sequence).where(progress.c.projection == PROGRESS)
        sequence = int(await connection.scalar(query) or 0)
        if sequence > last:
            _log.error("the database is ahead of MAIL: counting anew", at=sequence, newest=last)
            await connection.execute(sa.delete(counted))
            await connection.execute(sa.delete(progress).where(progress.c.projection == PROGRESS))
            sequence = 0
    async with engine.connect() as connection:
        await connection.execution_options(**READ_ONLY)
        async with connection.stream(sa.select(met.c.pair, met.c.day)) as rows:
            async for part in rows.partitions(_ROWS):
                for pair, day in part:
                    known.put(pair, day)
        ordered = sa.select(counted).where(counted.c.sequence <= sequence).order_by(counted.c.sequence)
        async with connection.stream(ordered) as rows:
            async for part in rows.partitions(_ROWS):
                for row in part:
                    newest = row.at
                    counters.restore_mail(
                        row.sequence, Reservation(row.mail, row.account, row.sender, _amounts(row), row.at), now
                    )
    return Loaded(sequence, newest or now - (LONGEST if sequence else _WITHOUT_DATABASE))


async def ids(engine: AsyncEngine, sequences: Sequence[int]) -> dict[int, str]:
    """By sequence in MAIL, the ids of those mails that are saved.

    Empty while the database is away.
    """
    query = sa.select(counted.c.sequence, counted.c.mail).where(counted.c.sequence.in_(sequences))
    try:
        async with engine.connect() as connection:
            return {row.sequence: row.mail for row in await connection.execute(query)}
    except DATABASE_ERRORS:
        return {}


async def save_periodically(engine: AsyncEngine, counter: MailCounter, known: KnownRecipients) -> None:
    """Saves new mails every second until cancelled, then once more."""
    saved = forgotten = 0
    try:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            if counter.unsaved:
                newest = counter.unsaved[-1].mail.at
                due = newest - forgotten > HOUR
                if await uncancellable(save(engine, counter, known, forget=newest if due else 0)):
                    saved, forgotten = counter.sequence, newest if due else forgotten
    finally:
        if counter.unsaved or counter.sequence > saved > 0:
            await uncancellable(save(engine, counter, known))


async def save(engine: AsyncEngine, counter: MailCounter, known: KnownRecipients, *, forget: int = 0) -> bool:
    """Returns False while the database is away.

    The mails wait for the next time, and voting goes on.
    """
    sequence, pairs, mails = counter.sequence, known.take(), counter.unsaved
    counter.unsaved = []
    try:
        async with engine.begin() as connection:
            await _execute(connection, _PUT_PAIR, [{"pair": pair, "day": day} for pair, day in pairs.items()])
            await _execute(connection, _PUT_MAIL, [*map(_row, mails)])
            await connection.execute(_ADVANCE, {"projection": PROGRESS, "sequence": sequence})
            if forget:
                await _forget(connection, forget)
    except DATABASE_ERRORS as error:
        known.give_back(pairs)
        counter.unsaved = mails + counter.unsaved
        _log.warning("what was counted is not saved; known goes on", error=in_words(error))
        return False
    return True


async def _execute(connection: AsyncConnection, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _ROWS):
        await connection.execute(statement, rows[start : start + _ROWS])


async def _forget(connection: AsyncConnection, now: int) -> None:
    """Deletes mails that count in no window, and recipients that are new again."""
    await connection.execute(sa.delete(counted).where(counted.c.at < now - LONGEST))
    await connection.execute(sa.delete(met).where(met.c.day < day_of(now) - DAYS))


def _amounts(row: sa.Row[Any, Any]) -> Amounts:
    return (row.messages, row.recipients, row.bytes, row.first_time_recipients)


def _row(unsaved: UnsavedMail) -> dict[str, Any]:
    mail = unsaved.mail
    amounts = zip(METERS, mail.amounts, strict=True)
    return {
        "sequence": unsaved.sequence,
        "at": mail.at,
        "mail": mail.mail,
        "account": mail.account,
        "sender": mail.sender,
        **{meter.value: amount for meter, amount in amounts},
    }
