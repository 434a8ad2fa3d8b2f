"""The subjects of all mails, to be searched by words."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from varco_audit.index.tables import subjects
from varco_audit.table_projection import TableProjection
from varco_audit.trace.timeline import FROM_CLIENTS, decode_readable, summary_of
from varco_common.bus import StreamMessage
from varco_common.events import MailRecorded, MailRefused


class SubjectIndex(TableProjection):
    """A row for each mail of a client that has a subject, also for those before this table was."""

    NAME = "subjects"
    FILTERS = (MailRecorded.subject_filter(), MailRefused.subject_filter())

    async def load(self, connection: AsyncConnection) -> None:
        """Nothing: a row depends on its event alone."""

    async def write(self, connection: AsyncConnection, events: Sequence[StreamMessage]) -> None:
        rows = []
        for sequence, event in decode_readable(events):
            summary = summary_of(event)
            if summary and summary.kind in (*FROM_CLIENTS, "refused") and (subject := searchable(summary.subject)):
                rows.append({"sequence": sequence, "account": summary.account, "subject": subject})
        if rows:
            await connection.execute(subjects.insert(), rows)

    async def search(self, words: str, account: str, limit: int) -> list[int]:
        """The newest events whose subject has all the words, in any order, in capitals or not.

        With an `account`, of that account alone. It looks at every subject, which takes a second
        for a million.
        """
        query = sa.select(subjects.c.sequence).order_by(subjects.c.sequence.desc()).limit(limit)
        if not (searched := searchable(words).split()):
            return []
        for word in searched:
            query = query.where(subjects.c.subject.contains(word, autoescape=True))
        if account:
            query = query.where(subjects.c.account == account)
        return [row[0] for row in await self.read(query)]


def searchable(text: str) -> str:
    """In lower case, without control characters: no database has them all in a text."""
    return "".join([c if c.isprintable() else " " for c in text.lower()]).strip()
