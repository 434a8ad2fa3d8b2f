"""What was counted, in the service's database, with the sequence of MAIL up to which it stands there.

So a start needn't read MAIL anew. Two processes may save the same mails into one database; each row is there once.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_common.base import log
from varco_common.base.tasks import uncancellable
from varco_common.storage.database import DATABASE_ERRORS, READ_ONLY, progress
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, day_of
from varco_ratelimit.mail_counter import MailCounter, UnsavedMail
from varco_ratelimit.quota_windows import DAY, HOUR, LONGEST
from varco_ratelimit.window_counter import METERS, Amounts

SAVE_SECONDS = 1.0
UNKNOWN = 7 * DAY  # so far back a start without a database learns whom senders have met
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

_MEET = sa.text(
    "INSERT INTO met (pair, day) VALUES (:pair, :day)"
    " ON CONFLICT (pair) DO UPDATE SET day = CASE WHEN excluded.day > met.day THEN excluded.day ELSE met.day END"
)
_COUNT = sa.text(
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
    """The sequence of MAIL that book and memory stand at, and when its record was stored, or something before that."""

    sequence: int
    at: int


async def load(engine: AsyncEngine, book: QuotaCounters, memory: KnownRecipients, last: int, now: int) -> Loaded:
    """Fills book and memory. `last` is the last sequence that MAIL has given, `now` milliseconds since 1970.

    A database that is ahead of MAIL knows another MAIL: what it counted is dropped. Raises what `db.DATABASE_ERRORS` lists.
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
                    memory.put(pair, day)
        ordered = sa.select(counted).where(counted.c.sequence <= sequence).order_by(counted.c.sequence)
        async with connection.stream(ordered) as rows:
            async for part in rows.partitions(_ROWS):
                for row in part:
                    newest = row.at
                    book.recall(
                        row.sequence, Reservation(row.mail, row.account, row.sender, _amounts(row), row.at), now
                    )
    return Loaded(sequence, newest or now - (LONGEST if sequence else UNKNOWN))


async def ids(engine: AsyncEngine, sequences: Sequence[int]) -> dict[int, str]:
    """The mails that were counted at these sequences of MAIL, as far as they are saved; none where the database is away."""
    query = sa.select(counted.c.sequence, counted.c.mail).where(counted.c.sequence.in_(sequences))
    try:
        async with engine.connect() as connection:
            return {row.sequence: row.mail for row in await connection.execute(query)}
    except DATABASE_ERRORS:
        return {}


async def save_periodically(engine: AsyncEngine, counter: MailCounter, memory: KnownRecipients) -> None:
    """Saves what is new every second, until cancelled, and once more then."""
    saved = forgot = 0
    try:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if counter.fresh:
                newest = counter.fresh[-1].mail.at
                due = newest - forgot > HOUR
                if await uncancellable(save(engine, counter, memory, forget=newest if due else 0)):
                    saved, forgot = counter.sequence, newest if due else forgot
    finally:
        if counter.fresh or counter.sequence > saved > 0:
            await uncancellable(save(engine, counter, memory))


async def save(engine: AsyncEngine, counter: MailCounter, memory: KnownRecipients, *, forget: int = 0) -> bool:
    """False where the database is away: then it is tried again, and voting goes on meanwhile."""
    sequence, pairs, mails = counter.sequence, memory.take(), counter.fresh
    counter.fresh = []
    try:
        async with engine.begin() as connection:
            await _execute(connection, _MEET, [{"pair": pair, "day": day} for pair, day in pairs.items()])
            await _execute(connection, _COUNT, [*map(_row, mails)])
            await connection.execute(_ADVANCE, {"projection": PROGRESS, "sequence": sequence})
            if forget:
                await _forget(connection, forget)
    except DATABASE_ERRORS as error:
        memory.give_back(pairs)
        counter.fresh = mails + counter.fresh
        _log.warning("what was counted is not saved; memory goes on", error=str(error))
        return False
    return True


async def _execute(connection: AsyncConnection, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _ROWS):
        await connection.execute(statement, rows[start : start + _ROWS])


async def _forget(connection: AsyncConnection, now: int) -> None:
    """What counts no more, and recipients that are strangers again."""
    await connection.execute(sa.delete(counted).where(counted.c.at < now - LONGEST))
    await connection.execute(sa.delete(met).where(met.c.day < day_of(now) - DAYS))


def _amounts(row: sa.Row[Any, Any]) -> Amounts:
    return (row.messages, row.recipients, row.bytes, row.first_time_recipients)


def _row(passed: UnsavedMail) -> dict[str, Any]:
    mail = passed.mail
    amounts = zip(METERS, mail.amounts, strict=True)
    return {
        "sequence": passed.sequence,
        "at": mail.at,
        "mail": mail.mail,
        "account": mail.account,
        "sender": mail.sender,
        **{meter.value: amount for meter, amount in amounts},
    }
