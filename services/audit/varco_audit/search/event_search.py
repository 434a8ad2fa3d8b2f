"""Queries of the index: events by what they are about, in pages."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import sqlalchemy as sa
from fastapi import Query
from pydantic import AfterValidator

from varco_audit.index.event_index import EventIndex
from varco_audit.index.index_fields import bare_message_id
from varco_audit.index.tables import events, others, recipients
from varco_common.base.timestamps import as_utc

_Text = Annotated[str, Query(max_length=1_000, pattern=r"^[^\x00]*$")]
_Word = Annotated[str, Query(pattern=r"^[a-z0-9-]{1,64}$")]
_Time = Annotated[datetime | None, AfterValidator(as_utc), Query(description="RFC 3339; without an offset it is UTC.")]


class EventQuery(NamedTuple):
    """What to search for, as the API takes it; an empty field matches all.

    `since` <= time in the stream < `until`. `mail` also finds what was made of that mail (its
    notification, its copy, its links).
    """

    mail: Annotated[_Text, Query(description="A mail's id, which is its decision's as well.")] = ""
    message_id: _Text = ""
    sender: _Text = ""
    recipient: _Text = ""
    host: _Text = ""
    login: _Text = ""
    account: _Text = ""
    service: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$")] = ""
    facts: Annotated[tuple[_Word, ...], Query(alias="fact", description="Any of these.")] = ()
    since: _Time = None
    until: _Time = None

    @property
    def by_subject(self) -> bool:
        """Whether subjects alone can answer it, so that the stream is read without the index."""
        return not any((*self[:7], self.since, self.until))


class EventSearch:
    """Returns sequences of EVENTS. Raises TransientError while the database is away."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index

    async def page(self, query: EventQuery, *, cursor: int, newest_first: bool, limit: int) -> list[int]:
        """At most `limit` events behind `cursor` in the given order; 0 is before the first."""
        kinds = self._kinds(query)
        if kinds is not None and not kinds:
            return []
        sequence = events.c.sequence
        select = sa.select(sequence).where(*_conditions(query, kinds))
        if cursor:
            select = select.where(sequence < cursor if newest_first else sequence > cursor)
        if query.since:
            select = select.where(sequence >= await self.first_at(query.since))
        if query.until:
            select = select.where(sequence < await self.first_at(query.until))
        rows = await self._index.read(select.order_by(sequence.desc() if newest_first else sequence).limit(limit))
        return [row[0] for row in rows]

    def _kinds(self, query: EventQuery) -> list[int] | None:
        """The numbers of the kinds of events that match; None if all do."""
        if not query.service and not query.facts:
            return None
        return [
            number
            for (service, fact), number in self._index.facts.items()
            if query.service in ("", service) and (not query.facts or fact in query.facts)
        ]

    async def first_at(self, at: datetime) -> int:
        """The first sequence at that time or later. In the stream, times ascend."""
        query = sa.select(events.c.sequence).where(events.c.at_ms >= at.timestamp() * 1000)
        rows = await self._index.read(query.order_by(events.c.at_ms, events.c.sequence).limit(1))
        return int(rows[0][0]) if rows else self._index.applied + 1


def _conditions(query: EventQuery, kinds: list[int] | None) -> Iterator[Any]:
    """The first condition, which matches fewest, by its index. The others only filter its rows.

    Without statistics a planner would choose any of their indexes.
    """
    first = True
    for indexed, unindexed in _field_conditions(query):
        yield indexed if first else unindexed
        first = False
    if kinds is not None:
        kind: Any = events.c.fact if first else events.c.fact + 0
        yield kind.in_(kinds)


def _field_conditions(query: EventQuery) -> Iterator[tuple[Any, Any]]:
    """Each condition twice: as an index answers it, and as no index does."""
    if query.mail:
        of_mail = sa.select(events.c.sequence).where(events.c.mail == query.mail)
        of_other = sa.select(others.c.sequence).where(others.c.id == query.mail)
        condition = events.c.sequence.in_(of_mail.union_all(of_other))
        yield condition, condition
    if query.recipient:
        named = sa.select(recipients.c.sequence).where(recipients.c.address == query.recipient.lower())
        condition = events.c.sequence.in_(named)
        yield condition, condition
    for column, value in (
        (events.c.message_id, bare_message_id(query.message_id)),
        (events.c.login, query.login.lower()),
        (events.c.sender, query.sender.lower()),
        (events.c.host, query.host),
        (events.c.account, query.account),
    ):
        if value:
            yield column == value, column.concat("") == value
