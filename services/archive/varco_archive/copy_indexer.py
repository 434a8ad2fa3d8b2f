"""Follows stream MAIL, headers only, into the index of copies: many records in one transaction, acknowledged after it."""

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
FORWARDED = subjects.event("archive", "copy-forwarded", "*")
FILTERS = tuple(subjects.mail(kind, "*") for kind in KINDS)

BEGUN = "begun"
_MAKING = "making"  # while the index is made: the last CopyForwarded before that
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_GAUGE_SECONDS = 5.0
_SKEW = timedelta(seconds=2)  # between the bus's clock and this one
_log = log.get(__name__)


def copy_row(kind: str, record: MailRecord, sequence: int, at: datetime, state: CopySettings | None) -> CopyRow | None:
    """The row of an accepted mail; None where its account wants no copy of it. Pure.

    Of a mail that filelink converts the first form is copied, or the second one. Whoever changes that choice between
    the two gets one of them: the index takes each mail once.
    """
    if state is None or (kind == "convert" and state.source is CopySource.SENT):
        return None
    envelope = record.envelope
    when = envelope.received_at if kind == "converted" else at
    live, target = state.mailbox_active_at(when), state.target_at(when)
    if not live and not target:
        return None
    return CopyRow(
        account=envelope.account,
        mail=envelope.id,
        sequence=sequence,
        arrived=at,
        size=len(envelope_fields(envelope)) + record.body.size,
        live=live,
        address=target.address if target else "",
        copy=copy_id(envelope.id) if target else "",
        sender=envelope.sender,
        recipients=envelope.recipients,
        subject=record.manifest.subject if isinstance(record, MailAccepted) else "",
    )


class CopyIndexer:
    """`state` gives what is known of an account; `batch` bounds one transaction, `max_bytes` what is in hand."""

    def __init__(
        self,
        bus: Bus,
        index: CopyIndex,
        state: Callable[[str], CopySettings | None],
        *,
        batch: int,
        max_bytes: int,
        ack_wait: timedelta,
    ) -> None:
        self._bus, self._index, self._state = bus, index, state
        self._batch, self._max_bytes, self._ack_wait = batch, max_bytes, ack_wait.total_seconds()
        self._hand: list[Delivery] = []
        self._forwarded: set[str] = set()
        self._arrived = asyncio.Event()
        self._puller: DurableConsumer | None = None
        self._seen = datetime.min.replace(tzinfo=UTC)
        self.owing = asyncio.Event()  # set when a copy to be forwarded was indexed

    async def run(self) -> None:
        """Until cancelled. An index that was lost is made anew from all that the stream has."""
        if not await retry_until_available(lambda: self._index.mark(BEGUN)):
            await retry_until_available(lambda: self._bus.mail.delete_consumer(DURABLE))
            said = await retry_until_available(lambda: self._bus.events.last_sequence(FORWARDED))
            await retry_until_available(lambda: self._index.set_mark(_MAKING, said))
            await retry_until_available(lambda: self._index.set_mark(BEGUN, 1))
        await self._learn(await retry_until_available(lambda: self._index.mark(_MAKING)))
        async with (
            self._bus.mail.consume(
                DURABLE,
                *FILTERS,
                in_flight=self._batch * 2,
                max_bytes=self._max_bytes,
                headers_only=True,
                ack_wait=self._ack_wait,
            ) as self._puller,
            run_in_background(self._write(), self._look()),
        ):
            async for delivery in self._puller:
                self._hand.append(delivery)
                self._arrived.set()

    async def _learn(self, until: int) -> None:
        """While an index is made anew: what was forwarded before. The stream may have forgotten those copies."""
        if not until:
            return
        async with aclosing(self._bus.events.follow(FORWARDED)) as events:
            async for stored in events:
                if isinstance(stored.event, CopyForwarded) and datetime.now(UTC) - stored.at < MAIL_HORIZON:
                    self._forwarded.add(stored.event.copy)
                if stored.sequence >= until:
                    return

    async def _made(self) -> None:
        """The index has seen all that there was."""
        if self._forwarded:
            await self._index.set_mark(_MAKING, 0)
            self._forwarded.clear()

    async def caught_up(self, since: datetime) -> None:
        """Returns when everything that was in the stream at `since` is in the index."""
        while self._seen < since + _SKEW and (  # noqa: ASYNC110 - the bus knows, and has to be asked
            not self._puller or await self._pending(self._puller)
        ):
            await asyncio.sleep(_LOOK_SECONDS)

    async def _pending(self, puller: DurableConsumer) -> int:
        """1 where the bus can't say."""
        try:
            return await puller.pending()
        except TransientError:
            return 1

    async def _look(self) -> None:
        while True:
            if self._puller and not (pending := await self._pending(self._puller)):
                metrics.LAG.set(0)
                metrics.PENDING.set(pending)
                with suppress(TransientError):
                    await self._made()
            elif self._puller:
                metrics.PENDING.set(pending)
            await asyncio.sleep(_GAUGE_SECONDS)

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            batch, self._hand = self._hand[: self._batch], self._hand[self._batch :]
            if not self._hand:
                self._arrived.clear()
            try:
                await self._take(batch)
            except TransientError as error:
                _log.warning("copies wait for the database", count=len(batch), error=str(error))
                self._hand = batch + self._hand
                self._arrived.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take(self, batch: Sequence[Delivery]) -> None:
        rows, forwarded = [], []
        for delivery in batch:
            kind = delivery.subject.split(".", 2)[1]
            envelope = delivery.record.envelope
            if kind == "copy":
                forwarded.append(envelope.id)
            elif row := copy_row(kind, delivery.record, delivery.sequence, delivery.at, self._state(envelope.account)):
                subject = row.subject or await self._subject(delivery.record)
                rows.append(row._replace(subject=subject))
                forwarded += {row.copy} & self._forwarded
        if rows or forwarded:
            await self._index.add(rows, forwarded)
        for delivery in batch:
            await delivery.ack()
        self._seen = max(self._seen, batch[-1].at)
        metrics.COPIES.inc(len(rows))
        metrics.LAG.set(max(0.0, (datetime.now(UTC) - batch[-1].at).total_seconds()))
        if any(row.address for row in rows):
            self.owing.set()

    async def _subject(self, record: MailRecord) -> str:
        """A converted mail's manifest is with the mail that it was made from."""
        if not isinstance(record, MailConverted):
            return ""
        try:
            original = (await self._bus.mail.get(record.original)).record
        except VarcoError:
            return ""
        return original.manifest.subject if isinstance(original, MailAccepted) else ""
