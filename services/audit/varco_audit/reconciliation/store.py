"""The balance as it is kept: follows the events that concern it into its tables, a batch in one transaction."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import time
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.batches import Batches, BatchLimits
from varco_audit.index.event_index import database_errors_translated
from varco_audit.reconciliation.counts import (
    ACCEPTED,
    FILTERS,
    HOUR_MS,
    BalanceCounts,
    OutstandingMail,
    RecipientOutcome,
    mails_of,
)
from varco_audit.reconciliation.tables import early_outcomes, hourly_counts, outstanding_mails
from varco_common.base import log
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import uncancellable
from varco_common.bus import Bus, RawEvent
from varco_common.events import AnyEvent, decode_authenticated
from varco_common.storage.database import READ_ONLY, progress

PROJECTION = "balance"
COLUMNS = (ACCEPTED, *(outcome.value for outcome in RecipientOutcome))

_RETRY_SECONDS = 0.5
_AT_ONCE = 500
_FORGET_MS = 24 * HOUR_MS  # an outcome that is said again of a mail that is long done with is heard early, and for ever
_MOST_DEBTS = 50_000
_log = log.get(__name__)


class HourlyCounts(NamedTuple):
    """One line of the balance: recipients of mails of one account, kind and hour."""

    account: str
    hour: int
    kind: str
    accepted: int
    delivered: int
    bounced: int
    expired: int
    dropped: int


class BalanceStore:
    """`applied` is the sequence of EVENTS up to which all is counted."""

    def __init__(self, bus: Bus, engine: AsyncEngine, limits: BatchLimits) -> None:
        self._bus, self._engine, self._limits = bus, engine, limits
        self._reading = engine.execution_options(**READ_ONLY)
        self._dialect: Any = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._grown = asyncio.Event()
        self.applied = 0

    async def run(self) -> None:
        """For ever, whatever is away meanwhile."""
        while True:
            try:
                await self._follow(await self.open())
            except ConflictError as error:
                _log.info("reading again how far the balance goes", why=str(error))
            except TransientError as error:
                _log.warning("the balance can't go on at present", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def open(self) -> int:
        """Reads how far the tables go, and says so."""
        with database_errors_translated():
            async with self._engine.begin() as connection:
                first = self._dialect.insert(progress).values(projection=PROJECTION, sequence=0)
                await connection.execute(first.on_conflict_do_nothing())
                query = sa.select(progress.c.sequence).where(progress.c.projection == PROJECTION)
                self._reached(int((await connection.execute(query)).scalar_one()))
        return self.applied

    async def reached(self, sequence: int, timeout: float = 5.0) -> None:
        """Returns once `sequence`, of an event that the balance follows, is counted. Raises TransientError when late."""
        try:
            async with asyncio.timeout(timeout):
                while self.applied < sequence:
                    await self._grown.wait()
        except TimeoutError:
            raise TransientError(f"the balance stands at {self.applied}, {sequence} is awaited") from None

    async def add(self, batch: Sequence[RawEvent]) -> None:
        """Events behind `applied`, in order. Raises ConflictError where another process has counted meanwhile."""
        await uncancellable(self._add(batch))
        self._reached(batch[-1].sequence)

    async def lines(self, since: datetime | None, account: str) -> list[HourlyCounts]:
        """By hour and account, the oldest first."""
        query = sa.select(*(hourly_counts.c[name] for name in HourlyCounts._fields)).order_by(
            hourly_counts.c.hour, hourly_counts.c.account, hourly_counts.c.kind
        )
        if since:
            query = query.where(hourly_counts.c.hour >= int(since.timestamp()) // 3600)
        if account:
            query = query.where(hourly_counts.c.account == account)
        return [HourlyCounts(*row) for row in await self._read(query)]

    async def owed(self, before_ms: int, mails: Sequence[str] | None = None) -> list[OutstandingMail]:
        """Mails stored before then that are owed to somebody, the oldest first; of those named, where any are."""
        query = sa.select(*(outstanding_mails.c[name] for name in OutstandingMail.__struct_fields__)).where(
            outstanding_mails.c.at_ms < before_ms
        )
        if mails is not None:
            query = query.where(outstanding_mails.c.mail.in_(mails))
        rows = await self._read(query.order_by(outstanding_mails.c.at_ms).limit(_MOST_DEBTS))
        return [_debt(row) for row in rows]

    async def _read(self, query: sa.Select[Any]) -> list[Any]:
        with database_errors_translated():
            async with self._reading.connect() as connection:
                return list((await connection.execute(query)).all())

    async def _follow(self, after: int) -> None:
        async with Batches.of(self._bus.events.follow_raw(*FILTERS, after=after), self._limits, _size) as batches:
            async for batch in batches:
                await self.add(batch)

    def _reached(self, sequence: int) -> None:
        self.applied = sequence
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _add(self, batch: Sequence[RawEvent]) -> None:
        events = [event for raw in batch if raw.own and (event := _decoded(raw))]
        mails = sorted({mail for event in events if (mail := mails_of(event))})
        with database_errors_translated():
            async with self._engine.begin() as connection:
                await self._move(connection, batch[-1].sequence)
                sheet = await _known(connection, mails)
                for event in events:
                    sheet.apply(event)
                await self._write(connection, sheet, mails)

    async def _move(self, connection: AsyncConnection, to: int) -> None:
        mine = (progress.c.projection == PROJECTION, progress.c.sequence == self.applied)
        moved = await connection.execute(progress.update().where(*mine).values(sequence=to))
        if not moved.rowcount:
            raise ConflictError("another process keeps this balance as well")

    async def _write(self, connection: AsyncConnection, sheet: BalanceCounts, mails: Sequence[str]) -> None:
        now_ms = int(time() * 1000)
        for start in range(0, len(mails), _AT_ONCE):
            part = mails[start : start + _AT_ONCE]
            await connection.execute(sa.delete(outstanding_mails).where(outstanding_mails.c.mail.in_(part)))
            await connection.execute(sa.delete(early_outcomes).where(early_outcomes.c.mail.in_(part)))
        await connection.execute(sa.delete(early_outcomes).where(early_outcomes.c.at_ms < now_ms - _FORGET_MS))
        if owed := [_row(debt) for debt in sheet.debts.values() if debt.left]:
            await connection.execute(outstanding_mails.insert(), owed)
        if heard := [
            {"mail": mail, "at_ms": now_ms, "outcomes": msgspec.json.encode(outcomes).decode()}
            for mail, outcomes in sheet.early.items()
        ]:
            await connection.execute(early_outcomes.insert(), heard)
        await self._sum(connection, sheet)

    async def _sum(self, connection: AsyncConnection, sheet: BalanceCounts) -> None:
        rows: dict[Any, dict[str, Any]] = {}
        for (line, column), count in sheet.sums.items():
            named = dict(zip(("account", "hour", "kind"), line, strict=True))
            rows.setdefault(line, named | dict.fromkeys(COLUMNS, 0))[column] += count
        if rows:
            put = self._dialect.insert(hourly_counts)
            added = {name: hourly_counts.c[name] + put.excluded[name] for name in COLUMNS}
            query = put.on_conflict_do_update(index_elements=["account", "hour", "kind"], set_=added)
            await connection.execute(query, [*rows.values()])


async def _known(connection: AsyncConnection, mails: Sequence[str]) -> BalanceCounts:
    owed: dict[str, OutstandingMail] = {}
    heard: dict[str, dict[str, str]] = {}
    columns = [outstanding_mails.c[name] for name in OutstandingMail.__struct_fields__]
    for start in range(0, len(mails), _AT_ONCE):
        part = mails[start : start + _AT_ONCE]
        for row in await connection.execute(sa.select(*columns).where(outstanding_mails.c.mail.in_(part))):
            owed[row.mail] = _debt(row)
        for row in await connection.execute(sa.select(early_outcomes).where(early_outcomes.c.mail.in_(part))):
            heard[row.mail] = msgspec.json.decode(row.outcomes)
    return BalanceCounts(owed, heard)


def _debt(row: Any) -> OutstandingMail:
    fields = dict(zip(OutstandingMail.__struct_fields__, row, strict=True))
    return OutstandingMail(**fields | {"left": msgspec.json.decode(fields["left"])})


def _row(debt: OutstandingMail) -> dict[str, Any]:
    return msgspec.structs.asdict(debt) | {"left": msgspec.json.encode(debt.left).decode()}


def _decoded(raw: RawEvent) -> AnyEvent | None:
    try:
        return decode_authenticated(raw.subject, raw.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _size(raw: RawEvent) -> int:
    return len(raw.payload)
