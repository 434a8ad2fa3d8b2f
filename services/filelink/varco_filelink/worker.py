"""Converts accepted mails with heavy attachments.

Each converted mail is appended once, whatever dies.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from varco_common.base import log, subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import Bus, Delivery, DurableConsumer, MailWorker
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.record import MailAccepted, MailConverted
from varco_common.storage.object_store import ObjectStore
from varco_filelink import metrics
from varco_filelink.conversion.body_source import body_source
from varco_filelink.conversion.converter import Converter
from varco_filelink.link_store import LinkStore
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.outbox_dedup import OutboxDedup

DURABLE = "filelink"
KIND = "convert"
IN_PARALLEL = 2  # conversions; each takes up to 20 MiB of memory
ACK_WAIT_SECONDS = 60.0  # after a crash the bus delivers the mails in hand again
_RETRY_SECONDS = 5.0
_MAX_TRIES = 5  # of a mail whose conversion fails because of a bug
_log = log.get(__name__)


class ConversionWorker:
    """`settings_of` returns an account's settings, `texts_of` what its users read.

    At the end of the process conversions get `grace` seconds.
    """

    def __init__(
        self,
        bus: Bus,
        bodies: ObjectStore,
        converter: Converter,
        links: LinkStore,
        settings_of: Callable[[str], LinkSettings | None],
        *,
        texts_of: Callable[[str], AccountTexts | None],
        grace: float,
    ) -> None:
        self._bus, self._bodies, self._converter, self._links = bus, bodies, converter, links
        self._settings_of, self._texts_of, self._grace = settings_of, texts_of, grace
        self._outboxes: dict[str, OutboxDedup] = {}

    async def run(self) -> None:
        """Runs until cancelled, then lets the conversions in hand end."""
        async with self._bus.mail.consume(
            DURABLE,
            subjects.mail(KIND, "*"),
            in_flight=IN_PARALLEL,
            max_bytes=IN_PARALLEL * 4 * 1024 * 1024,
            ack_wait=ACK_WAIT_SECONDS,
        ) as consumer:
            metrics.OLDEST.set_function(lambda: _age_seconds(consumer))
            await MailWorker(consumer, self._handle, grace=self._grace, retry_seconds=_RETRY_SECONDS).run()

    async def _handle(self, delivery: Delivery) -> None:
        """An accepted mail is never lost: if it cannot be converted it leaves unchanged."""
        try:
            await self._convert(delivery)
        except TransientError:
            raise
        except PoisonError as error:
            await self._send_unconverted(delivery, str(error))
        except Exception as error:
            if delivery.deliveries < _MAX_TRIES:
                raise
            _log.exception("a mail could not be converted", mail=delivery.record.envelope.id)
            await self._send_unconverted(delivery, repr(error))

    async def _convert(self, delivery: Delivery) -> None:
        record, began = delivery.record, asyncio.get_running_loop().time()
        if not isinstance(record, MailAccepted):
            raise PoisonError("not the record of an accepted mail")
        envelope = record.envelope
        outbox = self._outbox(envelope.account)
        if await outbox.is_appended(envelope.id, delivery.sequence):
            return
        await self._bus.admin.check_full()  # each try stores another body, which without a record takes room for days
        existing = await self._links.of_mail(envelope.account, envelope.id)
        settings = self._settings_of(envelope.account) or LinkSettings(account=envelope.account)
        texts = self._texts_of(envelope.account) or AccountTexts()
        source = body_source(record.body, delivery.body, self._bodies)
        converted = await self._converter.convert(record, source, settings, existing, datetime.now(UTC), texts=texts)
        for event in converted.links:
            await self._links.add(event)
        links = (*(link.link for link in existing.values()), *(event.link for event in converted.links))
        outgoing = MailConverted(envelope=envelope, body=converted.body, original=delivery.sequence, links=links)
        await outbox.append_once(outgoing, converted.inline)
        metrics.CONVERTED.inc()
        metrics.CONVERSION_SECONDS.observe(asyncio.get_running_loop().time() - began)
        _log.info("converted", mail=envelope.id, links=len(links), size=converted.body.size)

    async def _send_unconverted(self, delivery: Delivery, why: str) -> None:
        """Raises PoisonError where the body is gone."""
        record = delivery.record
        outbox = self._outbox(record.envelope.account)
        if await outbox.is_appended(record.envelope.id, delivery.sequence):
            return
        if record.body.object and not await self._bodies.exists(record.body.object):
            raise PoisonError(f"{why}; its body is gone")
        body = replace(record.body, shift=0)
        outgoing = MailConverted(envelope=record.envelope, body=body, original=delivery.sequence)
        await outbox.append_once(outgoing, delivery.body)
        _log.error("a mail leaves unconverted", mail=record.envelope.id, why=why)
        metrics.UNCONVERTED.inc()

    def _outbox(self, account: str) -> OutboxDedup:
        return self._outboxes.setdefault(account, OutboxDedup(self._bus, account))


def _age_seconds(consumer: DurableConsumer) -> float:
    oldest = consumer.oldest()
    return (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
