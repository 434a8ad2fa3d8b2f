"""Compares two tables row by row, in the order of their keys, without loading them into memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from varco_common.eventsourcing.rebuild.frames import RebuiltTable, RowDifference
from varco_common.eventsourcing.rebuild.rebuildable import ComparedTable, Row

_MAX_REPORTED = 100  # differing rows of a table; all are counted
_ROWS = 1_000
_SECRET = ("hash", "password", "secret", "token_id")
_NOTHING = object()


async def compare(
    compared: ComparedTable,
    live: AsyncConnection,
    fresh: AsyncConnection,
    applied: int,
    report: Callable[[RowDifference], None],
) -> RebuiltTable:
    """Reports the differences of the first hundred rows that differ, and counts all rows."""
    rows = differing = 0
    pairs = _paired(_ordered(compared, live), _ordered(compared, fresh), len(compared.key))
    async with aclosing(pairs):
        async for key, old, new in pairs:
            rows += 1
            places = list(_places(compared, old, new))
            differing += bool(places)
            if differing <= _MAX_REPORTED:
                for place, before, after in places:
                    row = " ".join(map(str, key))
                    report(RowDifference(table=compared.name, key=row, place=place, live=before, rebuilt=after))
    return RebuiltTable(
        table=compared.name,
        stand=applied,
        rows=rows,
        differing=differing,
        beyond=await _count_beyond(compared, live),
        note=compared.note,
    )


async def copy_beyond(compared: ComparedTable, live: AsyncConnection, fresh: AsyncConnection) -> None:
    """Copies the rows that the streams can't make."""
    if compared.beyond is None:
        return
    rows = await live.stream(sa.select(compared.table).where(compared.beyond))
    async for part in rows.mappings().partitions(_ROWS):
        await fresh.execute(compared.table.insert(), [dict(row) for row in part])


async def _count_beyond(compared: ComparedTable, live: AsyncConnection) -> int:
    if compared.beyond is None:
        return 0
    query = sa.select(sa.func.count()).select_from(compared.table).where(compared.beyond)
    return int(await live.scalar(query) or 0)


async def _ordered(compared: ComparedTable, connection: AsyncConnection) -> AsyncIterator[Row]:
    columns = compared.columns
    order: list[sa.ColumnElement[Any]] = [*columns[: len(compared.key)]]
    if connection.dialect.name == "postgresql":  # in the order of SQLite and of Python
        order = [column.collate("C") if isinstance(column.type, sa.Text) else column for column in order]
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
    """The key, and the row of each side with that key; `width` columns are the key."""
    old, new = await anext(left, None), await anext(right, None)
    while old is not None or new is not None:
        old_key, new_key = old and old[:width], new and new[:width]
        if new_key is None or (old_key is not None and old_key < new_key):
            yield old_key, old, None
            old = await anext(left, None)
        elif old_key is None or new_key < old_key:
            yield new_key, None, new
            new = await anext(right, None)
        else:
            yield old_key, old, new
            old, new = await anext(left, None), await anext(right, None)


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
            name: "***" if any(word in str(name).lower() for word in _SECRET) else _without_secrets(part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(part) for part in value]
    return value
