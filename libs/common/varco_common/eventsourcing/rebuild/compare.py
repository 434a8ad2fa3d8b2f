"""Two tables compared row by row, in the order of their keys: neither is held in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from varco_common.eventsourcing.rebuild.frames import RebuiltTable, RowDifference
from varco_common.eventsourcing.rebuild.projected import ComparedTable, Row

MOST_SHOWN = 100  # differing rows of a table; all are counted
_ROWS = 1_000
_SECRET = ("hash", "password", "secret", "token_id")
_NOTHING = object()


async def compare(
    compared: ComparedTable,
    live: AsyncConnection,
    fresh: AsyncConnection,
    stand: int,
    say: Callable[[RowDifference], None],
) -> RebuiltTable:
    """Says each difference, up to a bound, and counts."""
    rows = differing = 0
    pairs = _paired(_ordered(compared, live), _ordered(compared, fresh), len(compared.key))
    async with aclosing(pairs):
        async for key, old, new in pairs:
            rows += 1
            places = list(_places(compared, old, new))
            differing += bool(places)
            if differing <= MOST_SHOWN:
                for place, before, after in places:
                    say(
                        RowDifference(
                            table=compared.name, key=" ".join(map(str, key)), place=place, live=before, rebuilt=after
                        )
                    )
    beyond = 0
    if compared.beyond is not None:
        beyond = int(
            await live.scalar(sa.select(sa.func.count()).select_from(compared.table).where(compared.beyond)) or 0
        )
    return RebuiltTable(
        table=compared.name, stand=stand, rows=rows, differing=differing, beyond=beyond, note=compared.note
    )


async def take_over(compared: ComparedTable, live: AsyncConnection, fresh: AsyncConnection) -> None:
    """What the streams can't make is copied as it is."""
    if compared.beyond is None:
        return
    rows = await live.stream(sa.select(compared.table).where(compared.beyond))
    async for part in rows.mappings().partitions(_ROWS):
        await fresh.execute(compared.table.insert(), [dict(row) for row in part])


async def _ordered(compared: ComparedTable, connection: AsyncConnection) -> AsyncIterator[Row]:
    columns = compared.columns
    order: list[sa.ColumnElement[Any]] = [*columns[: len(compared.key)]]
    if connection.dialect.name == "postgresql":  # as SQLite, and as Python compares
        order = [one.collate("C") if isinstance(one.type, sa.Text) else one for one in order]
    query = sa.select(*columns).order_by(*order)
    if compared.where is not None:
        query = query.where(compared.where)
    if compared.beyond is not None:
        query = query.where(sa.not_(compared.beyond))
    rows = await connection.stream(query)
    async for part in rows.partitions(_ROWS):
        for row in part:
            yield row


async def _paired(
    left: AsyncIterator[Row], right: AsyncIterator[Row], width: int
) -> AsyncGenerator[tuple[Any, Row | None, Row | None], None]:
    one, two = await anext(left, None), await anext(right, None)
    while one is not None or two is not None:
        first, second = one and one[:width], two and two[:width]
        if second is None or (first is not None and first < second):
            yield first, one, None
            one = await anext(left, None)
        elif first is None or second < first:
            yield second, None, two
            two = await anext(right, None)
        else:
            yield first, one, two
            one, two = await anext(left, None), await anext(right, None)


def _places(compared: ComparedTable, old: Row | None, new: Row | None) -> Iterator[tuple[str, Any, Any]]:
    if old is None or new is None:
        yield "row", "is there" if old is not None else None, "is there" if new is not None else None
        return
    for number, column in enumerate(compared.columns):
        if old[number] == new[number] or (column.name in compared.near and abs(old[number] - new[number]) <= 1):
            continue
        shown = compared.shown.get(column.name, lambda value: value)
        yield from _differing(
            shown(old[number]), shown(new[number]), () if column.name in compared.shown else (column.name,)
        )


def _differing(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    """Down to the innermost values that differ."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}, key=str):
            yield from _differing(old.get(name, _NOTHING), new.get(name, _NOTHING), (*path, str(name)))
        return
    yield ".".join(path) or "document", _masked(old, path), _masked(new, path)


def _masked(value: Any, path: tuple[str, ...]) -> Any:
    if value is _NOTHING:
        return None
    if any(word in part.lower() for part in path for word in _SECRET):
        return "***"
    return _without_secrets(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "***" if any(word in str(name).lower() for word in _SECRET) else _without_secrets(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    return value
