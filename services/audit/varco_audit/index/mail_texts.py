"""The texts that a mail is searched by: addresses, subject, file names, hosts, answers."""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from varco_audit.index.subject_index import searchable
from varco_audit.index.tables import mail_texts
from varco_audit.table_projection import TableProjection
from varco_audit.trace.timeline import FROM_CLIENTS, decode_readable
from varco_common.bus import StreamMessage
from varco_common.events import AnyEvent, MailBounced, MailDeferred, MailExpired, MailRecorded, MailRefused
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import MailAccepted
from varco_common.mime import Manifest

_RECIPIENTS = 20  # of one mail that are searched by parts of their address; the index has all, as a whole


class TextKind(IntEnum):
    """What the event says of the mail."""

    ACCEPTED = 1
    REFUSED = 2
    DEFERRED = 3
    BOUNCED = 4


class TextRow(NamedTuple):
    """The place of an event, and what its mail may be found by. `reply` is that of a refusal."""

    account: str
    mail: str
    kind: TextKind
    text: str
    reply: str = ""


class MailTexts(TableProjection):
    """A row for each decision on a mail of a client, and for each failure to deliver one."""

    NAME = "texts"
    FILTERS = tuple(
        kind.subject_filter() for kind in (MailRecorded, MailRefused, MailDeferred, MailBounced, MailExpired)
    )

    async def load(self, connection: AsyncConnection) -> None:
        """Nothing: a row depends on its event alone."""

    async def write(self, connection: AsyncConnection, events: Sequence[StreamMessage]) -> None:
        rows = [
            {"sequence": sequence, **row._asdict(), "kind": row.kind.value}
            for sequence, event in decode_readable(events)
            if (row := row_of(event))
        ]
        if rows:
            await connection.execute(mail_texts.insert(), rows)

    async def search(
        self, words: str, account: str, kinds: Iterable[TextKind], *, first: int, last: int, limit: int
    ) -> list[tuple[int, str]]:
        """Sequences and mails, the newest first: all the words are in the text, as parts of words.

        `first` <= sequence < `last`. It looks at every text, which takes a fifth of a second for
        250,000 mails.
        """
        table = mail_texts.c
        query = sa.select(table.sequence, table.mail).where(table.sequence >= first, table.sequence < last)
        if account:
            query = query.where(table.account == account)
        if chosen := [kind.value for kind in kinds]:
            query = query.where(table.kind.in_(chosen))
        for word in searchable(words).split():
            query = query.where(table.text.contains(word, autoescape=True))
        rows = await self.read(query.order_by(table.sequence.desc()).limit(limit))
        return [(row[0], row[1]) for row in rows]

    async def refusals(self, account: str, first: int) -> dict[str, int]:
        """How many mails were refused since that sequence, by reply, the most frequent first."""
        table, count = mail_texts.c, sa.func.count()
        query = sa.select(table.reply, count).where(table.kind == TextKind.REFUSED.value, table.sequence >= first)
        if account:
            query = query.where(table.account == account)
        rows = await self.read(query.group_by(table.reply).order_by(count.desc(), table.reply))
        return {row[0]: row[1] for row in rows}


def row_of(event: AnyEvent) -> TextRow | None:
    """The row of an event; None if it is about no mail that a client sent."""
    match event:
        case MailRecorded(record=MailAccepted(envelope=envelope, manifest=manifest), kind=kind):
            return _row(envelope, manifest, TextKind.ACCEPTED) if kind in FROM_CLIENTS else None
        case MailRefused(ballot=ballot, answer=answer, reply=reply):
            row = _row(ballot.envelope, ballot.manifest, TextKind.REFUSED, answer)
            return row._replace(reply=reply.value)
        case MailDeferred() | MailBounced() | MailExpired():
            failed = TextKind.DEFERRED if isinstance(event, MailDeferred) else TextKind.BOUNCED
            answers = (f"{failure.recipient} {failure.answer}" for failure in event.failures[:_RECIPIENTS])
            return TextRow(event.account, event.mail, failed, searchable(" ".join([event.host, *answers])))
    return None


def _row(envelope: Envelope, manifest: Manifest, kind: TextKind, answer: str = "") -> TextRow:
    text = searchable(" ".join([*_texts(envelope, manifest), answer]))
    return TextRow(envelope.account, envelope.id, kind, text)


def _texts(envelope: Envelope, manifest: Manifest) -> Iterator[str]:
    yield from (envelope.sender, envelope.login, envelope.host, manifest.subject, manifest.message_id)
    yield from envelope.recipients[:_RECIPIENTS]
    for part in manifest.parts:
        yield from part.names
