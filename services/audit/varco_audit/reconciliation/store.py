"""The balance as it is stored: sums by hour, and the mails that are outstanding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_audit.batches import BatchLimits
from varco_audit.decoding import decode_message
from varco_audit.reconciliation.counts import (
    ACCEPTED,
    FILTERS,
    HOUR_MS,
    BalanceCounts,
    OutstandingMail,
    RecipientOutcome,
    mail_of,
)
from varco_audit.reconciliation.tables import early_outcomes, hourly_counts, outstanding_mails
from varco_audit.table_projection import TableProjection
from varco_common.bus import Bus, StreamMessage
from varco_common.events import AnyEvent

LIMITS = BatchLimits(linger=1.0)  # each batch costs 8 ms of CPU (docs/balance.md)

_COUNTERS = (ACCEPTED, *(outcome.value for outcome in RecipientOutcome))
_OUTSTANDING_COLUMNS = [outstanding_mails.c[name] for name in OutstandingMail.__struct_fields__]
_IDS_PER_QUERY = 500
_MAX_OUTSTANDING = 50_000
# An outcome that is stated again of a finished mail looks like an early one, and no record follows.
_EARLY_KEPT_MS = 24 * HOUR_MS


@dataclass
class BalanceLine:
    """Recipients of the mails of one account and kind that were accepted in the hour from `hour`.

    accepted = delivered + bounced + expired + dropped + in_flight + unaccounted, which must be 0.
    """

    account: str
    hour: datetime
    kind: str
    accepted: int
    delivered: int
    bounced: int
    expired: int
    dropped: int
    in_flight: int = 0
    unaccounted: int = 0
    balanced: bool = True


class BalanceStore(TableProjection):
    """All events up to `applied` are counted."""

    NAME = "balance"
    FILTERS = FILTERS

    def __init__(self, bus: Bus, engine: AsyncEngine, limits: BatchLimits = LIMITS) -> None:
        super().__init__(bus, engine, limits)

    async def lines(self, since: datetime | None, account: str) -> list[BalanceLine]:
        """By hour and account, the oldest first."""
        columns = hourly_counts.c
        query = sa.select(hourly_counts).order_by(columns.hour, columns.account, columns.kind)
        if since:
            query = query.where(columns.hour >= int(since.timestamp()) // 3600)
        if account:
            query = query.where(columns.account == account)
        rows = await self.read(query)
        return [BalanceLine(who, datetime.fromtimestamp(hour * 3600, UTC), *counts) for who, hour, *counts in rows]

    async def outstanding(self, before_ms: int, mails: Sequence[str] | None = None) -> list[OutstandingMail]:
        """Outstanding mails that were stored before `before_ms`, the oldest first.

        With `mails`, only those of these ids.
        """
        query = sa.select(*_OUTSTANDING_COLUMNS).where(outstanding_mails.c.at_ms < before_ms)
        if mails is not None:
            query = query.where(outstanding_mails.c.mail.in_(mails))
        rows = await self.read(query.order_by(outstanding_mails.c.at_ms).limit(_MAX_OUTSTANDING))
        return [_mail_of_row(row) for row in rows]

    async def load(self, connection: AsyncConnection) -> None:
        """Nothing: each batch reads the mails that it is about."""

    async def write(self, connection: AsyncConnection, events: Sequence[StreamMessage]) -> None:
        decoded = [event for raw in events if raw.own and (event := _decoded(raw))]
        mails = sorted({mail for event in decoded if (mail := mail_of(event))})
        counts = await _known_counts(connection, mails)
        for event in decoded:
            counts.apply(event)
        await _write_mails(connection, counts, mails)
        await self._add_sums(connection, counts)

    async def _add_sums(self, connection: AsyncConnection, counts: BalanceCounts) -> None:
        rows: dict[Any, dict[str, Any]] = {}
        for (line, counter), count in counts.sums.items():
            key = dict(zip(("account", "hour", "kind"), line, strict=True))
            rows.setdefault(line, key | dict.fromkeys(_COUNTERS, 0))[counter] += count
        if rows:
            insert = self.insert(hourly_counts)
            added = {name: hourly_counts.c[name] + insert.excluded[name] for name in _COUNTERS}
            query = insert.on_conflict_do_update(index_elements=["account", "hour", "kind"], set_=added)
            await connection.execute(query, [*rows.values()])


async def _known_counts(connection: AsyncConnection, mails: Sequence[str]) -> BalanceCounts:
    outstanding: dict[str, OutstandingMail] = {}
    early: dict[str, dict[str, str]] = {}
    for ids in _parts(mails):
        query = sa.select(*_OUTSTANDING_COLUMNS).where(outstanding_mails.c.mail.in_(ids))
        outstanding |= {row.mail: _mail_of_row(row) for row in await connection.execute(query)}
        for row in await connection.execute(sa.select(early_outcomes).where(early_outcomes.c.mail.in_(ids))):
            early[row.mail] = msgspec.json.decode(row.outcomes)
    return BalanceCounts(outstanding, early)


async def _write_mails(connection: AsyncConnection, counts: BalanceCounts, mails: Sequence[str]) -> None:
    now_ms = int(time() * 1000)
    for ids in _parts(mails):
        for table in (outstanding_mails, early_outcomes):
            await connection.execute(sa.delete(table).where(table.c.mail.in_(ids)))
    await connection.execute(sa.delete(early_outcomes).where(early_outcomes.c.at_ms < now_ms - _EARLY_KEPT_MS))
    outstanding = [
        msgspec.structs.asdict(mail) | {"left": msgspec.json.encode(mail.left).decode()}
        for mail in counts.outstanding.values()
        if mail.left
    ]
    early = [
        {"mail": mail, "at_ms": now_ms, "outcomes": msgspec.json.encode(outcomes).decode()}
        for mail, outcomes in counts.early.items()
    ]
    for table, rows in ((outstanding_mails, outstanding), (early_outcomes, early)):
        if rows:
            await connection.execute(table.insert(), rows)


def _parts(mails: Sequence[str]) -> Iterator[Sequence[str]]:
    return (mails[start : start + _IDS_PER_QUERY] for start in range(0, len(mails), _IDS_PER_QUERY))


def _mail_of_row(row: Any) -> OutstandingMail:
    fields = dict(zip(OutstandingMail.__struct_fields__, row, strict=True))
    return OutstandingMail(**fields | {"left": msgspec.json.decode(fields["left"])})


def _decoded(raw: StreamMessage) -> AnyEvent | None:
    try:
        return decode_message(raw)
    except msgspec.DecodeError:
        return None
