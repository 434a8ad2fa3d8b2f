"""The index in SQL: which mails were copied, are in a mailbox, or are to be forwarded."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import sqlalchemy as sa
from fastapi import Query
from pydantic import AfterValidator
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_archive.tables import Forward, copies, marks
from varco_common.base.tasks import uncancellable
from varco_common.base.timestamps import as_utc
from varco_common.storage.database.table_access import TableAccess

_TOMBSTONE = {"live": False, "size": 0, "sender": "", "recipients": "", "subject": ""}
_COLLECTED = "collected "  # and an account: the mark of its mailbox
_IS_OWED = copies.c.forward == sa.literal_column("1")  # no parameter: the partial index is used

Statement = tuple[Any, list[dict[str, Any]]]  # what to execute, and its rows of values


class CopyRow(NamedTuple):
    """A copy to be indexed.

    `arrived` is when the bus stored the mail; `size` is in octets as a client gets them.
    """

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
    """A mailbox at one moment: the number of copies, their octets, and the id of the last row."""

    copies: int
    octets: int
    last: int


class MaildropEntry(NamedTuple):
    """A copy in a POP3 session."""

    id: int
    mail: str
    sequence: int
    size: int


class OwedCopy(NamedTuple):
    """A copy to be forwarded."""

    id: int
    account: str
    mail: str
    sequence: int
    address: str
    copy: str


Time = Annotated[datetime | None, AfterValidator(as_utc), Query(description="RFC 3339, with its offset from UTC.")]


class CopyQuery(NamedTuple):
    """Parts of addresses and of the subject, in any case, and times of arrival [since, until).

    As the API takes it; empty matches all.
    """

    sender: str = ""
    recipient: str = ""
    subject: str = ""
    since: Time = None
    until: Time = None


class CopyDetails(NamedTuple):
    """A copy in the API. `recipients` are separated by line feeds."""

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
    """The copies of all accounts.

    Every method raises TransientError while the database cannot be reached.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._access = TableAccess(engine)
        self._insert, self._read = self._access.insert, self._access.read

    # marks

    async def mark(self, name: str) -> int:
        """The value of a mark; 0 when it was never set."""
        rows = await self._read(sa.select(marks.c.value).where(marks.c.name == name))
        return int(rows[0][0]) if rows else 0

    async def set_mark(self, name: str, value: int) -> None:
        await self._write([(self._upsert_mark(name, value), [])])

    # changes that come from the bus

    async def add(self, rows: Sequence[CopyRow], forwarded: Sequence[str]) -> None:
        """Inserts the rows of new mails, and marks copies as forwarded, in one transaction."""
        values = [_values(row) for row in rows]
        statements: list[Statement] = [(self._insert_new(), values)] if values else []
        if forwarded:
            statements.append((_set_forwarded(copies.c.copy.in_(forwarded)), []))
        await self._write(statements)

    async def mark_removed(
        self,
        account: str,
        mails: Sequence[str],
        sequence: int,
        *,
        insert_missing: bool = False,
        collected: datetime | None = None,
    ) -> None:
        """Turns copies into tombstones, as event `sequence` tells.

        `insert_missing`: of mails not indexed yet, too. `collected`: when a client took them.
        """
        statements: list[Statement] = [(sa.update(copies).where(copies.c.mail.in_(mails)).values(**_TOMBSTONE), [])]
        if insert_missing:
            tombstone = {
                "account": account,
                "sequence": 0,
                "arrived_ms": round(time.time() * 1000),
                "forward": Forward.NO,
                "address": "",
                "copy": "",
                **_TOMBSTONE,
            }
            statements.append((self._insert_new(), [tombstone | {"mail": mail} for mail in mails]))
        statements.append((self._upsert_mark("removals", sequence), []))
        if collected:
            statements.append((self._upsert_collected(account, collected), []))
        await self._write(statements)

    async def set_collected(self, account: str, at: datetime) -> None:
        """A client collected the mailbox then. An earlier time changes nothing."""
        await self._write([(self._upsert_collected(account, at), [])])

    async def collected(self, account: str) -> datetime | None:
        """When a client last fetched copies from the mailbox, or found nothing new; None: never."""
        ms = await self.mark(f"{_COLLECTED}{account}")
        return datetime.fromtimestamp(ms / 1000, UTC) if ms else None

    async def needed_and_removed(self, sequences: Sequence[int]) -> tuple[set[int], set[int]]:
        """The sequences whose mail is still to be read, and those whose copy left a mailbox."""
        columns = (copies.c.sequence, copies.c.live, copies.c.forward, copies.c.size)
        rows = await self._read(sa.select(*columns).where(copies.c.sequence.in_(sequences)))
        needed = {sequence for sequence, live, forward, _ in rows if live or forward == Forward.OWED}
        return needed, {sequence for sequence, live, _, size in rows if not live and not size} - needed

    async def delete_tombstones(self, before: datetime) -> None:
        """Deletes the tombstones of mails that MAIL has dropped by now."""
        old = sa.delete(copies).where(
            copies.c.arrived_ms < unix_ms(before), sa.not_(copies.c.live), copies.c.forward != Forward.OWED
        )
        await self._write([(old, [])])

    # mailboxes

    async def totals(self, account: str) -> MaildropTotals:
        """The mailbox as it is now."""
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(copies.c.size), 0),
            sa.func.coalesce(sa.func.max(copies.c.id), 0),
        ).where(_in_mailbox(account))
        count, octets, last = (await self._read(query))[0]
        return MaildropTotals(int(count), int(octets), int(last))

    async def page(self, account: str, *, after: int, last: int, skip: int, limit: int) -> list[MaildropEntry]:
        """The copies in the mailbox behind row `after` up to row `last`, the oldest first."""
        query = _columns(MaildropEntry).where(_in_mailbox(account), copies.c.id > after, copies.c.id <= last)
        return [MaildropEntry(*row) for row in await self._read(query.order_by(copies.c.id).offset(skip).limit(limit))]

    async def expired(self, account: str, before: datetime | None, limit: int) -> list[str]:
        """The mails whose copies arrived before that time (None: all), the oldest first."""
        query = sa.select(copies.c.mail).where(_in_mailbox(account))
        if before:
            query = query.where(copies.c.arrived_ms < unix_ms(before))
        return [row[0] for row in await self._read(query.order_by(copies.c.arrived_ms).limit(limit))]

    async def accounts(self) -> list[str]:
        """The accounts with copies in a mailbox."""
        return [row[0] for row in await self._read(sa.select(copies.c.account).where(copies.c.live).distinct())]

    async def oldest(self, account: str) -> int | None:
        """When the oldest copy in the mailbox arrived, in ms since 1970."""
        rows = await self._read(sa.select(sa.func.min(copies.c.arrived_ms)).where(_in_mailbox(account)))
        arrived: int | None = rows[0][0]
        return arrived

    async def search(self, account: str, criteria: CopyQuery, *, after: int, limit: int) -> list[CopyDetails]:
        """The matching copies in the mailbox behind row `after`, the oldest first."""
        query = _columns(CopyDetails).where(_in_mailbox(account), copies.c.id > after)
        for column, text in (
            (copies.c.sender, criteria.sender),
            (copies.c.recipients, criteria.recipient),
            (copies.c.subject, criteria.subject),
        ):
            if text:
                query = query.where(column.icontains(text, autoescape=True))
        if criteria.since:
            query = query.where(copies.c.arrived_ms >= unix_ms(criteria.since))
        if criteria.until:
            query = query.where(copies.c.arrived_ms < unix_ms(criteria.until))
        return [CopyDetails(*row) for row in await self._read(query.order_by(copies.c.id).limit(limit))]

    async def get(self, account: str, mail: str) -> CopyDetails | None:
        """One copy in the mailbox."""
        rows = await self._read(_columns(CopyDetails).where(_in_mailbox(account), copies.c.mail == mail))
        return CopyDetails(*rows[0]) if rows else None

    # forwarding

    async def owed(self, limit: int) -> list[OwedCopy]:
        """The copies to be forwarded, the oldest first."""
        query = _columns(OwedCopy).where(_IS_OWED).order_by(copies.c.id).limit(limit)
        return [OwedCopy(*row) for row in await self._read(query)]

    async def owed_count(self) -> int:
        return int((await self._read(sa.select(sa.func.count()).where(_IS_OWED)))[0][0])

    async def set_forwarded(self, row: int) -> None:
        await self._write([(_set_forwarded(copies.c.id == row), [])])

    async def originals(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The mail and the address of forwarded copies, by the copy's id."""
        query = sa.select(copies.c.copy, copies.c.mail, copies.c.address).where(copies.c.copy.in_(list(ids)))
        return {copy: (mail, address) for copy, mail, address in await self._read(query)}

    def _insert_new(self) -> Any:
        """A mail that has a row already keeps it."""
        return self._insert(copies).on_conflict_do_nothing(index_elements=["mail"])

    def _upsert_mark(self, name: str, value: int) -> Any:
        insert = self._insert(marks).values(name=name, value=value)
        return insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})

    def _upsert_collected(self, account: str, at: datetime) -> Any:
        insert = self._insert(marks).values(name=f"{_COLLECTED}{account}", value=unix_ms(at))
        later = {"set_": {"value": insert.excluded.value}, "where": marks.c.value < insert.excluded.value}
        return insert.on_conflict_do_update(index_elements=["name"], **later)

    async def _write(self, statements: Sequence[Statement]) -> None:
        await uncancellable(self._execute(statements))

    async def _execute(self, statements: Sequence[Statement]) -> None:
        async with self._access.transaction() as connection:
            for statement, values in statements:
                await connection.execute(statement, values or None)


def _values(row: CopyRow) -> dict[str, Any]:
    """The columns of a row. Personal data is only stored for the mailbox."""
    values = row._asdict() | {
        "arrived_ms": unix_ms(row.arrived),
        "forward": Forward.OWED if row.address else Forward.NO,
        "recipients": "\n".join(row.recipients),
    }
    del values["arrived"]
    return values if row.live else values | {"sender": "", "recipients": "", "subject": ""}


def _columns(row: type[MaildropEntry | CopyDetails | OwedCopy]) -> sa.Select[Any]:
    return sa.select(*(copies.c[name] for name in row._fields))


def _in_mailbox(account: str) -> Any:
    return sa.and_(copies.c.account == account, copies.c.live)


def _set_forwarded(where: Any) -> sa.Update:
    return sa.update(copies).where(where, _IS_OWED).values(forward=Forward.DONE)
