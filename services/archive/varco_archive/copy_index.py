"""The index of copies in SQL: what was copied, what is in a mailbox, what is owed to a forwarding address."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from varco_archive.tables import Forward, copies, marks
from varco_common.base.errors import TransientError
from varco_common.base.tasks import uncancellable
from varco_common.storage.database import AWAY, READ_ONLY

_NOTHING = {"live": False, "size": 0, "sender": "", "recipients": "", "subject": ""}


class CopyRow(NamedTuple):
    """One row as it is indexed. `arrived` is when the bus stored the mail; `size` in octets as they go to a client."""

    account: str
    mail: str
    sequence: int
    arrived: datetime
    size: int
    live: bool
    address: str
    copy: str
    sender: str
    recipients: tuple[str, ...]
    subject: str


class MaildropTotals(NamedTuple):
    """A mailbox at one moment: how many copies, their octets, and the last row."""

    copies: int
    octets: int
    last: int


class MaildropEntry(NamedTuple):
    """A copy as a session sees it."""

    id: int
    mail: str
    sequence: int
    size: int


class OwedCopy(NamedTuple):
    """A copy that is to be forwarded."""

    id: int
    account: str
    mail: str
    sequence: int
    address: str
    copy: str


class CopyQuery(NamedTuple):
    """What is searched for: parts of addresses and of the subject in any case, and times of arrival; empty is any."""

    sender: str = ""
    recipient: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


class CopyDetails(NamedTuple):
    """A copy as an operator sees it."""

    id: int
    mail: str
    sequence: int
    arrived_ms: int
    size: int
    sender: str
    recipients: str
    subject: str


def unix_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class CopyIndex:
    """All accounts' copies. Raises TransientError while the database can't be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**READ_ONLY)
        dialect: Any = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._insert: Callable[[sa.Table], Any] = dialect.insert

    # marks

    async def mark(self, name: str) -> int:
        """0 where there is none."""
        found = await self._read(sa.select(marks.c.value).where(marks.c.name == name))
        return int(found[0][0]) if found else 0

    async def set_mark(self, name: str, value: int) -> None:
        await uncancellable(self._write([(self._marked(name, value), [])]))

    # what comes from the bus

    async def add(self, rows: Sequence[CopyRow], forwarded: Sequence[str]) -> None:
        """In one transaction: rows whose mail isn't known yet, and the ids of copies that are seen to be forwarded."""
        added = self._insert(copies).on_conflict_do_nothing(index_elements=["mail"])
        values = [
            {
                "account": row.account,
                "mail": row.mail,
                "sequence": row.sequence,
                "arrived_ms": unix_ms(row.arrived),
                "size": row.size,
                "live": row.live,
                "forward": Forward.OWED if row.address else Forward.NO,
                "address": row.address,
                "copy": row.copy,
                "sender": row.sender if row.live else "",
                "recipients": "\n".join(row.recipients) if row.live else "",
                "subject": row.subject if row.live else "",
            }
            for row in rows
        ]
        statements: list[tuple[Any, list[dict[str, Any]]]] = [(added, values)] if values else []
        if forwarded:
            statements.append((_done(copies.c.copy.in_(forwarded)), []))
        await uncancellable(self._write(statements))

    async def bury(self, account: str, mails: Sequence[str], sequence: int, *, unseen: bool = False) -> None:
        """These copies are gone from the mailbox, as event `sequence` says; where `unseen`, even those not indexed yet."""
        buried = sa.update(copies).where(copies.c.mail.in_(mails)).values(**_NOTHING)
        grave = self._insert(copies).on_conflict_do_nothing(index_elements=["mail"])
        tomb = {
            "account": account,
            "sequence": 0,
            "arrived_ms": round(time.time() * 1000),
            "forward": Forward.NO,
            "address": "",
            "copy": "",
            **_NOTHING,
        }
        statements: list[tuple[Any, list[dict[str, Any]]]] = [(buried, [])]
        if unseen:
            statements.append((grave, [tomb | {"mail": mail} for mail in mails]))
        statements.append((self._marked("removals", sequence), []))
        await uncancellable(self._write(statements))

    async def kept(self, sequences: Sequence[int]) -> tuple[set[int], set[int]]:
        """Those of `sequences` whose mail is still to be read, and those whose copy has left a mailbox."""
        columns = (copies.c.sequence, copies.c.live, copies.c.forward, copies.c.size)
        rows = await self._read(sa.select(*columns).where(copies.c.sequence.in_(sequences)))
        kept = {sequence for sequence, live, forward, _ in rows if live or forward == Forward.OWED}
        return kept, {sequence for sequence, live, _, size in rows if not live and not size} - kept

    # mailboxes

    async def drop(self, account: str) -> MaildropTotals:
        """What is in the mailbox now."""
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(copies.c.size), 0),
            sa.func.coalesce(sa.func.max(copies.c.id), 0),
        ).where(copies.c.account == account, copies.c.live)
        count, octets, last = (await self._read(query))[0]
        return MaildropTotals(int(count), int(octets), int(last))

    async def page(self, account: str, *, after: int, last: int, skip: int, limit: int) -> list[MaildropEntry]:
        """Copies in the mailbox behind row `after` up to row `last`, oldest first."""
        columns = (copies.c.id, copies.c.mail, copies.c.sequence, copies.c.size)
        query = sa.select(*columns).where(
            copies.c.account == account, copies.c.live, copies.c.id > after, copies.c.id <= last
        )
        return [MaildropEntry(*row) for row in await self._read(query.order_by(copies.c.id).offset(skip).limit(limit))]

    async def expired(self, account: str, before: datetime | None, limit: int) -> list[str]:
        """Mails whose copies arrived before that (None: all), the oldest first."""
        query = sa.select(copies.c.mail).where(copies.c.account == account, copies.c.live)
        if before:
            query = query.where(copies.c.arrived_ms < unix_ms(before))
        return [row[0] for row in await self._read(query.order_by(copies.c.arrived_ms).limit(limit))]

    async def accounts(self) -> list[str]:
        """Those with copies in a mailbox."""
        return [row[0] for row in await self._read(sa.select(copies.c.account).where(copies.c.live).distinct())]

    async def oldest(self, account: str) -> int | None:
        """When the oldest copy in the mailbox arrived, in ms since 1970."""
        query = sa.select(sa.func.min(copies.c.arrived_ms)).where(copies.c.account == account, copies.c.live)
        found: int | None = (await self._read(query))[0][0]
        return found

    async def search(self, account: str, wanted: CopyQuery, *, after: int, limit: int) -> list[CopyDetails]:
        """Copies in the mailbox behind row `after`, oldest first."""
        columns = (copies.c[name] for name in CopyDetails._fields)
        query = sa.select(*columns).where(copies.c.account == account, copies.c.live, copies.c.id > after)
        for column, text in (
            (copies.c.sender, wanted.sender),
            (copies.c.recipients, wanted.recipient),
            (copies.c.subject, wanted.subject),
        ):
            if text:
                query = query.where(column.icontains(text, autoescape=True))
        if wanted.since:
            query = query.where(copies.c.arrived_ms >= unix_ms(wanted.since))
        if wanted.until:
            query = query.where(copies.c.arrived_ms < unix_ms(wanted.until))
        return [CopyDetails(*row) for row in await self._read(query.order_by(copies.c.id).limit(limit))]

    async def get(self, account: str, mail: str) -> CopyDetails | None:
        """One copy in the mailbox."""
        columns = (copies.c[name] for name in CopyDetails._fields)
        where = (copies.c.account == account, copies.c.mail == mail, copies.c.live)
        found = await self._read(sa.select(*columns).where(*where))
        return CopyDetails(*found[0]) if found else None

    async def forget(self, before: datetime) -> None:
        """Tombstones of mails that the bus can't have any more are taken away."""
        old = sa.delete(copies).where(
            copies.c.arrived_ms < unix_ms(before), sa.not_(copies.c.live), copies.c.forward != Forward.OWED
        )
        await uncancellable(self._write([(old, [])]))

    # forwarding

    async def owed(self, limit: int) -> list[OwedCopy]:
        """Copies to forward, the oldest first."""
        columns = (copies.c[name] for name in OwedCopy._fields)
        query = sa.select(*columns).where(copies.c.forward == sa.literal_column("1"))
        return [OwedCopy(*row) for row in await self._read(query.order_by(copies.c.id).limit(limit))]

    async def owed_count(self) -> int:
        where = copies.c.forward == sa.literal_column("1")
        return int((await self._read(sa.select(sa.func.count()).where(where)))[0][0])

    async def forwarded(self, row: int) -> None:
        """A mail that was only forwarded needs no words any more."""
        await uncancellable(self._write([(_done(copies.c.id == row), [])]))

    async def of_copies(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Mail and address by the id of a forwarded copy."""
        query = sa.select(copies.c.copy, copies.c.mail, copies.c.address).where(copies.c.copy.in_(list(ids)))
        return {copy: (mail, address) for copy, mail, address in await self._read(query)}

    # how

    def _marked(self, name: str, value: int) -> Any:
        put = self._insert(marks).values(name=name, value=value)
        return put.on_conflict_do_update(index_elements=["name"], set_={"value": value})

    async def _read(self, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
        with _translated():
            async with self._reading.connect() as connection:
                return [tuple(row) for row in await connection.execute(query)]

    async def _write(self, statements: Sequence[tuple[Any, list[dict[str, Any]]]]) -> None:
        with _translated():
            async with self._engine.begin() as connection:
                await _execute(connection, statements)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise TransientError(f"the database is away: {type(error).__name__}") from error


async def _execute(connection: AsyncConnection, statements: Sequence[tuple[Any, list[dict[str, Any]]]]) -> None:
    for statement, values in statements:
        if values:
            await connection.execute(statement, values)
        else:
            await connection.execute(statement)


def _done(where: Any) -> sa.Update:
    return sa.update(copies).where(where, copies.c.forward == sa.literal_column("1")).values(forward=Forward.DONE)
