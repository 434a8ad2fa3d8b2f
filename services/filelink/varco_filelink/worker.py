"""Takes accepted mails with heavy attachments, and makes the mails that leave. Each leaves once, whatever dies."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from varco_common.base import log, subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import Bus, Delivery
from varco_common.events import Language
from varco_common.mail.record import BodyReference, MailAccepted, MailConverted
from varco_common.storage.object_store import ObjectStore
from varco_filelink import metrics
from varco_filelink.conversion.body_source import BodySource, InlineBody, StoredBody
from varco_filelink.conversion.converter import Converter
from varco_filelink.link_store import LinkStore
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.outbox_dedup import OutboxDedup

DURABLE = "filelink"
KIND = "convert"
_RETRY_SECONDS = 5.0
_TRIES = 5  # of a mail whose conversion fails as it shouldn't
_log = log.get(__name__)


class ConversionWorker:
    """`terms` gives an account's.

    Mails of all accounts are taken in turn, `at_once` of them together; at the process's end they have `grace` seconds.
    """

    def __init__(
        self,
        bus: Bus,
        bodies: ObjectStore,
        converter: Converter,
        links: LinkStore,
        terms: Callable[[str], LinkSettings | None],
        *,
        at_once: int,
        ack_wait: float,
        grace: float,
        now: Callable[[], datetime],
    ) -> None:
        self._bus, self._bodies, self._converter, self._links, self._terms = bus, bodies, converter, links, terms
        self._at_once, self._ack_wait, self._grace, self._now = at_once, ack_wait, grace, now
        self._hands: dict[asyncio.Task[None], Delivery] = {}
        self._departures: dict[str, OutboxDedup] = {}

    async def run(self) -> None:
        """Until cancelled; then what is in hand ends."""
        async with self._bus.mail.consume(
            DURABLE,
            subjects.mail(KIND, "*"),
            in_flight=self._at_once,
            max_bytes=self._at_once * 4 * 1024 * 1024,
            ack_wait=self._ack_wait,
        ) as puller:
            metrics.OLDEST.set_function(self._oldest_seconds)
            ticker = asyncio.create_task(self._keep_in_hand(), name="filelink ticks")
            try:
                async for delivery in puller:
                    task = asyncio.create_task(self._carry(delivery), name=f"convert {delivery.record.envelope.id}")
                    self._hands[task] = delivery
                    task.add_done_callback(self._hands.pop)
            finally:
                puller.pause()
                await self._finish()
                ticker.cancel()

    def _oldest_seconds(self) -> float:
        received = [delivery.record.envelope.received_at for delivery in self._hands.values()]
        return (self._now() - min(received)).total_seconds() if received else 0.0

    async def _finish(self) -> None:
        """Lets conversions end, within the grace; the others begin anew after the next start."""
        if hands := [*self._hands]:
            _, late = await asyncio.wait(hands, timeout=self._grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carry(self, delivery: Delivery) -> None:
        mail = delivery.record.envelope.id
        try:
            await self._convert(delivery)
            await delivery.ack()
        except TransientError as error:
            _log.warning("a mail waits for its conversion", mail=mail, error=str(error))
            await delivery.nak(_RETRY_SECONDS)
        except PoisonError as error:
            await self._unconverted(delivery, str(error))
        except Exception as error:  # noqa: BLE001 - a bug with one mail must not stop the others
            _log.exception("a mail could not be converted", mail=mail)
            if delivery.deliveries < _TRIES:
                await delivery.nak(_RETRY_SECONDS)
            else:
                await self._unconverted(delivery, repr(error))

    async def _convert(self, delivery: Delivery) -> None:
        record, began = delivery.record, asyncio.get_running_loop().time()
        if not isinstance(record, MailAccepted):
            raise PoisonError("not the record of an accepted mail")
        envelope = record.envelope
        departures = self._of(envelope.account)
        if await departures.left(envelope.id, delivery.sequence):
            return
        made = await self._links.of_mail(envelope.account, envelope.id)
        terms = self._terms(envelope.account) or LinkSettings(account=envelope.account, language=Language.EN)
        done = await self._converter.convert(record, self._source(record, delivery.body), terms, made, self._now())
        for event in done.links:
            await self._links.make(event)
        links = (*(link.link for link in made.values()), *(event.link for event in done.links))
        leaving = MailConverted(envelope=envelope, body=done.body, original=delivery.sequence, links=links)
        await departures.leave(leaving, done.inline)
        metrics.CONVERTED.inc()
        metrics.CONVERSION_SECONDS.observe(asyncio.get_running_loop().time() - began)
        _log.info("converted", mail=envelope.id, links=len(links), size=done.body.size)

    async def _unconverted(self, delivery: Delivery, why: str) -> None:
        """A mail that was answered 250 is never lost: what can't be converted leaves as it came. Its body may be gone."""
        record = delivery.record
        try:
            departures = self._of(record.envelope.account)
            if await departures.left(record.envelope.id, delivery.sequence):
                return await delivery.ack()
            if record.body.object and not await self._bodies.exists(record.body.object):
                return await delivery.park(f"{why}; its body is gone")
            body = BodyReference(size=record.body.size, sha256=record.body.sha256, object=record.body.object)
            leaving = MailConverted(envelope=record.envelope, body=body, original=delivery.sequence)
            await departures.leave(leaving, delivery.body)
            _log.error("a mail leaves unconverted", mail=record.envelope.id, why=why)
            metrics.UNCONVERTED.inc()
            await delivery.ack()
        except TransientError as error:
            _log.warning("a mail waits", mail=record.envelope.id, error=str(error))
            await delivery.nak(_RETRY_SECONDS)

    def _source(self, record: MailAccepted, inline: bytes) -> BodySource:
        body = record.body
        return StoredBody(self._bodies, body.object, body.size) if body.object else InlineBody(inline)

    def _of(self, account: str) -> OutboxDedup:
        return self._departures.setdefault(account, OutboxDedup(self._bus, account))

    async def _keep_in_hand(self) -> None:
        """Tells the bus that what takes long is still worked at."""
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            for delivery in [*self._hands.values()]:
                await delivery.progress()
