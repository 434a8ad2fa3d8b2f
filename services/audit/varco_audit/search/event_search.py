"""The index as it is asked: events by what they are about, in pages, from either end of time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from varco_audit.index.event_index import EventIndex, database_errors_translated
from varco_audit.index.index_fields import bare_message_id
from varco_audit.index.tables import events, others, recipients


class EventQuery(NamedTuple):
    """What is searched for; empty is any. Times are [since, until) of when the stream stored the event.

    `mail` finds what is about that mail and about what came of it (its notification, its copy, its links).
    """

    mail: str = ""
    message_id: str = ""
    sender: str = ""
    recipient: str = ""
    host: str = ""
    login: str = ""
    account: str = ""
    service: str = ""
    facts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def plain(self) -> bool:
        """Whether subjects alone tell what is wanted, so that the stream can be read without the index."""
        return not any((*self[:7], self.since, self.until))


class IndexedEvent(NamedTuple):
    """An event's place, and what the index keeps of it."""

    sequence: int
    at_ms: int
    service: str
    fact: str
    account: str
    mail: str


class EventSearch:
    """Questions to one index. Raises TransientError while the database is away."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index

    async def page(self, wanted: EventQuery, *, cursor: int, newest_first: bool, limit: int) -> list[IndexedEvent]:
        """At most `limit` events behind `cursor` in the order asked for; 0 begins at its end."""
        kinds = self._kinds(wanted)
        if kinds is not None and not kinds:
            return []
        query = sa.select(events.c.sequence, events.c.at_ms, events.c.fact, events.c.account, events.c.mail).where(
            *_conditions(wanted, kinds)
        )
        order = events.c.sequence.desc() if newest_first else events.c.sequence.asc()
        if cursor:
            query = query.where(events.c.sequence < cursor if newest_first else events.c.sequence > cursor)
        names = {number: said for said, number in self._index.facts.items()}
        rows = await self._read(self._within(query, await self._bounds(wanted)).order_by(order).limit(limit))
        return [
            IndexedEvent(sequence, at, *names[fact], account or "", mail or "")
            for sequence, at, fact, account, mail in rows
        ]

    def _kinds(self, wanted: EventQuery) -> list[int] | None:
        """Numbers of the kinds that are wanted; None where all are."""
        if not wanted.service and not wanted.facts:
            return None
        return [
            number
            for (service, fact), number in self._index.facts.items()
            if wanted.service in ("", service) and (not wanted.facts or fact in wanted.facts)
        ]

    async def _bounds(self, wanted: EventQuery) -> tuple[int | None, int | None]:
        """The first sequences at or behind `since` and `until`: the stream's times rise with its sequences."""
        return await self._first_at(wanted.since), await self._first_at(wanted.until)

    async def _first_at(self, at: datetime | None) -> int | None:
        if at is None:
            return None
        query = sa.select(events.c.sequence).where(events.c.at_ms >= at.timestamp() * 1000)
        found = await self._read(query.order_by(events.c.at_ms, events.c.sequence).limit(1))
        return int(found[0][0]) if found else self._index.applied + 1

    def _within(self, query: "sa.Select[Any]", bounds: tuple[int | None, int | None]) -> "sa.Select[Any]":
        first, end = bounds
        if first is not None:
            query = query.where(events.c.sequence >= first)
        return query if end is None else query.where(events.c.sequence < end)

    async def _read(self, query: "sa.Select[Any]") -> list[tuple[Any, ...]]:
        with database_errors_translated():
            async with self._index.reading.connect() as connection:
                return [tuple(found) for found in await connection.execute(query)]


def _conditions(wanted: EventQuery, kinds: list[int] | None) -> Iterator[Any]:
    """The condition that finds the fewest first, by its index; the others only sift what it finds."""
    found = False
    for condition, sieve in _asked(wanted):
        yield sieve if found else condition
        found = True
    if kinds is not None:
        kind: Any = events.c.fact + 0 if found else events.c.fact
        yield kind.in_(kinds)


def _asked(wanted: EventQuery) -> Iterator[tuple[Any, Any]]:
    """Each as an index answers it, and as no index does: a planner without statistics would take any of them."""
    if wanted.mail:
        of_mail = sa.select(events.c.sequence).where(events.c.mail == wanted.mail)
        of_other = sa.select(others.c.sequence).where(others.c.id == wanted.mail)
        inside = events.c.sequence.in_(of_mail.union_all(of_other))
        yield inside, inside
    if wanted.recipient:
        named = sa.select(recipients.c.sequence).where(recipients.c.address == wanted.recipient.lower())
        yield events.c.sequence.in_(named), events.c.sequence.in_(named)
    for column, value in (
        (events.c.message_id, bare_message_id(wanted.message_id)),
        (events.c.login, wanted.login.lower()),
        (events.c.sender, wanted.sender.lower()),
        (events.c.host, wanted.host),
        (events.c.account, wanted.account),
    ):
        if value:
            yield column == value, column.concat("") == value
