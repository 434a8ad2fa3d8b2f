"""Follows stream MAIL, headers only, into the index of copies.

Many records are indexed in one transaction, and acknowledged after it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

from varco_archive import metrics
from varco_archive.copy_index import CopyIndex, CopyRow
from varco_archive.model import MAIL_HORIZON, CopySettings
from varco_archive.rendered_copy import copy_id, envelope_fields
from varco_common.base import log, subjects
from varco_common.base.errors import TransientError, VarcoError
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.bus import Bus, Delivery, DurableConsumer
from varco_common.events import CopyForwarded, CopySource
from varco_common.mail.record import MailAccepted, MailConverted, MailRecord

DURABLE = "archive"
KINDS = ("accepted", "convert", "converted", "copy")
FILTERS = tuple(subjects.mail(kind, "*") for kind in KINDS)
COPY_FORWARDED = CopyForwarded.subject_filter()
BEGUN = "begun"

BATCH = 500  # rows in one transaction: more gain nothing, and hold SQLite's lock for longer
BATCH_BYTES = 16 * 1024 * 1024  # of records that are pulled ahead
# A transaction costs the same, whatever it holds. So after one with `_MANY` mails the next ones
# gather for a quarter of a second; after one mail, for a part of it: a lone mail is there at once.
_GATHER_SECONDS = 0.25
_MANY = 10
ACK_WAIT_SECONDS = 5.0  # after a crash the bus redelivers what was not acknowledged
_REBUILDING = "making"  # a mark: while the index is rebuilt, the last CopyForwarded before that
_POLL_SECONDS = 0.2
_GAUGE_SECONDS = 5.0
_CLOCK_SKEW = timedelta(seconds=2)  # between the bus and this host
_log = log.get(__name__)


def copy_row(
    kind: str, record: MailRecord, sequence: int, at: datetime, settings: CopySettings | None
) -> CopyRow | None:
    """The row of an accepted mail; None if its account wants no copy of it. Pure.

    Of a mail that filelink converts either the first form is copied or the second one. The index
    takes each mail once, so an account that changes this choice meanwhile gets one of the two.
    """
    if settings is None or (kind == "convert" and settings.source is CopySource.SENT):
        return None
    envelope = record.envelope
    accepted_at = envelope.received_at if kind == "converted" else at
    live, target = settings.mailbox_active_at(accepted_at), settings.target_at(accepted_at)
    if not live and not target:
        return None
    return CopyRow(
        account=envelope.account,
        mail=envelope.id,
        sequence=sequence,
        arrived=at,
        size=len(envelope_fields(envelope)) + record.body.size - record.body.dots,  # RFC 1939 11
        live=live,
        address=target.address if target else "",
        copy=copy_id(envelope.id) if target else "",
        sender=envelope.sender,
        recipients=envelope.recipients,
        subject=record.manifest.subject if isinstance(record, MailAccepted) else "",
    )


class CopyIndexer:
    """`settings_of` returns an account's settings.

    `owing` is set when a copy to be forwarded was indexed.
    """

    def __init__(self, bus: Bus, index: CopyIndex, settings_of: Callable[[str], CopySettings | None]) -> None:
        self._bus, self._index, self._settings_of = bus, index, settings_of
        self._consumer: DurableConsumer | None = None
        self._forwarded_before: set[str] = set()  # ids of copies, while the index is rebuilt
        self._newest = datetime.min.replace(tzinfo=UTC)
        self.owing = asyncio.Event()

    async def run(self) -> None:
        """Indexes until cancelled. A lost index is rebuilt from all that the stream has."""
        await retry_until_available(self._begin)
        await self._read_forwarded(await retry_until_available(lambda: self._index.mark(_REBUILDING)))
        async with (
            self._bus.mail.consume(
                DURABLE,
                *FILTERS,
                in_flight=BATCH * 2,
                max_bytes=BATCH_BYTES,
                headers_only=True,
                ack_wait=ACK_WAIT_SECONDS,
            ) as self._consumer,
            run_in_background(self._watch_progress()),
        ):
            while True:
                batch = await self._consumer.batch(BATCH)
                await retry_until_available(lambda batch=batch: self._write(batch))  # type: ignore[misc]
                if len(batch) < BATCH:
                    await asyncio.sleep(_GATHER_SECONDS * min(len(batch) / _MANY, 1))

    async def _begin(self) -> None:
        """With an empty index the consumer starts again at the beginning of the stream."""
        if await self._index.mark(BEGUN):
            return
        await self._bus.mail.delete_consumer(DURABLE)
        await self._index.set_mark(_REBUILDING, await self._bus.events.last_sequence(COPY_FORWARDED))
        await self._index.set_mark(BEGUN, 1)

    async def _read_forwarded(self, until: int) -> None:
        """For a rebuild: reads which copies were forwarded.

        The stream may have dropped their records.
        """
        if not until:
            return
        async with aclosing(self._bus.events.follow(COPY_FORWARDED)) as events:
            async for stored in events:
                if isinstance(stored.event, CopyForwarded) and datetime.now(UTC) - stored.at < MAIL_HORIZON:
                    self._forwarded_before.add(stored.event.copy)
                if stored.sequence >= until:
                    return

    async def caught_up(self, since: datetime) -> None:
        """Returns when everything that was in the stream at `since` is in the index."""
        while self._newest < since + _CLOCK_SKEW and await self._pending():  # noqa: ASYNC110 - the bus must be asked
            await asyncio.sleep(_POLL_SECONDS)

    async def _pending(self) -> int:
        """How many records are not indexed yet; 1 when the bus cannot be asked."""
        if not self._consumer:
            return 1
        try:
            return await self._consumer.pending()
        except TransientError:
            return 1

    async def _watch_progress(self) -> None:
        """Keeps the gauges current, and ends a rebuild once nothing is pending."""
        while True:
            pending = await self._pending()
            metrics.PENDING.set(pending)
            if not pending:
                metrics.LAG.set(0)
                with suppress(TransientError):
                    await self._end_rebuild()
            await asyncio.sleep(_GAUGE_SECONDS)

    async def _end_rebuild(self) -> None:
        if self._forwarded_before:
            await self._index.set_mark(_REBUILDING, 0)
            self._forwarded_before.clear()

    async def _write(self, batch: Sequence[Delivery]) -> None:
        rows: list[CopyRow] = []
        forwarded: list[str] = []
        for delivery in batch:
            kind, envelope = delivery.subject.split(".", 2)[1], delivery.record.envelope
            settings = self._settings_of(envelope.account)
            if kind == "copy":
                forwarded.append(envelope.id)
            elif row := copy_row(kind, delivery.record, delivery.sequence, delivery.at, settings):
                rows.append(row._replace(subject=row.subject or await self._subject(delivery.record)))
                forwarded += {row.copy} & self._forwarded_before
        if rows or forwarded:
            await self._index.add(rows, forwarded)
        for delivery in batch:
            await delivery.ack()
        self._newest = max(self._newest, batch[-1].at)
        metrics.COPIES.inc(len(rows))
        metrics.LAG.set(max(0.0, (datetime.now(UTC) - batch[-1].at).total_seconds()))
        if any(row.address for row in rows):
            self.owing.set()

    async def _subject(self, record: MailRecord) -> str:
        """A converted mail has no manifest of its own: the subject is in that of the original."""
        if not isinstance(record, MailConverted):
            return ""
        try:
            original = (await self._bus.mail.get(record.original)).record
        except VarcoError:
            return ""
        return original.manifest.subject if isinstance(original, MailAccepted) else ""
