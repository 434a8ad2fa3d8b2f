"""Forwards copies: appends a record of its own to stream MAIL for each, which relay delivers."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec

from varco_archive import metrics
from varco_archive.bounce_listener import append_bounced
from varco_archive.copy_index import CopyIndex, OwedCopy
from varco_archive.copy_indexer import CopyIndexer
from varco_archive.copy_reader import CopyReader
from varco_archive.model import CopySettings, ForwardingTarget
from varco_archive.rendered_copy import envelope_fields, journal
from varco_common.base import log
from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import done_within
from varco_common.bus import Bus
from varco_common.events import CopyForm, CopyForwarded
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest

BATCH = 50  # copies read from the index at once
IN_PARALLEL = 4  # each may hold a large body on disk
MAX_HEADER = 1 << 20  # bytes; ingress accepts no longer one
_POLL_SECONDS = 5.0  # in case a signal of the indexer was missed
_RETRY_SECONDS = 2.0
_log = log.get(__name__)


class Forwarder:
    """`return_path` is for accounts that name none; `reporter` is this gate's host name."""

    def __init__(
        self,
        bus: Bus,
        index: CopyIndex,
        bodies: CopyReader,
        indexer: CopyIndexer,
        *,
        settings_of: Callable[[str], CopySettings | None],
        return_path: str,
        reporter: str,
    ) -> None:
        self._bus, self._index, self._bodies, self._indexer = bus, index, bodies, indexer
        self._settings_of, self._return_path, self._reporter = settings_of, return_path, reporter

    async def run(self) -> None:
        """Forwards until cancelled.

        After a crash, or an append that got no answer, a copy may be in the stream though the index
        lists it as owed. The indexer reads copies too, so once it has caught up the index is right.
        """
        uncertain: datetime | None = datetime.now(UTC)
        while True:
            if uncertain:
                await self._indexer.caught_up(uncertain)
                uncertain = None
            self._indexer.owing.clear()
            try:
                owed = await self._index.owed(BATCH)
                await self._forward_all(owed)
                metrics.OWED.set(await self._index.owed_count())
            except TransientError as error:
                _log.warning("copies wait to be forwarded", error=str(error))
                uncertain = datetime.now(UTC)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not owed:
                await done_within(self._indexer.owing.wait(), _POLL_SECONDS)

    async def _forward_all(self, owed: list[OwedCopy]) -> None:
        """Raises the first failure after all have ended."""
        slots = asyncio.Semaphore(IN_PARALLEL)

        async def forward(copy: OwedCopy) -> None:
            async with slots:
                await self._forward(copy)

        for result in await asyncio.gather(*map(forward, owed), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _forward(self, owed: OwedCopy) -> None:
        try:
            await self._append_copy(owed)
        except PoisonError as error:
            await append_bounced(self._bus, owed.account, owed.mail, "", address=owed.address, answer=str(error))
        else:
            event = CopyForwarded(
                at=datetime.now(UTC),
                account=owed.account,
                by="archive",
                mail=owed.mail,
                copy=owed.copy,
                address=owed.address,
            )
            await self._bus.events.append(event, once=f"{owed.copy}.forwarded")
            metrics.FORWARDED.inc()
        await self._index.set_forwarded(owed.id)

    async def _append_copy(self, owed: OwedCopy) -> None:
        """Raises PoisonError where the mail is gone."""
        record, chunks = await self._bodies.read_mail(owed.sequence)
        target = self._target(owed)
        envelope = _envelope(record.envelope, owed, target.return_path or self._return_path)
        header, mail = await _header_of(chunks)
        before, behind = self._around(record.envelope, header, owed, target)
        body = _joined(before, mail, behind)
        if not record.body.object:  # inline, as the mail itself
            content = b"".join([piece async for piece in body])
            reference = BodyReference(size=len(content), sha256=hashlib.sha256(content).hexdigest())
            await self._bus.mail.append("copy", _record(envelope, reference), content)
            return
        with tempfile.TemporaryFile(prefix="varco-copy-") as file:
            reference = await _spool(body, file, envelope.id)
            await self._bodies.objects.put(envelope.id, file, reference.size)
        await self._bus.mail.append("copy", _record(envelope, reference), b"")

    def _target(self, owed: OwedCopy) -> ForwardingTarget:
        """The newest target with that address; a default one if the history lacks it."""
        settings = self._settings_of(owed.account)
        targets = [period.target for period in reversed(settings.periods if settings else ()) if period.target]
        default = ForwardingTarget(address=owed.address)
        return next((target for target in targets if target.address == owed.address), default)

    def _around(
        self, envelope: Envelope, header: bytes, owed: OwedCopy, target: ForwardingTarget
    ) -> tuple[bytes, bytes]:
        if target.form is CopyForm.PLAIN:
            return envelope_fields(envelope), b""
        eight_bit = envelope.eight_bit
        return journal(envelope, header, owed.copy, address=owed.address, reporter=self._reporter, eight_bit=eight_bit)


async def _spool(body: AsyncIterator[bytes], file: BinaryIO, key: str) -> BodyReference:
    digest, size = hashlib.sha256(), 0
    async for piece in body:
        digest.update(piece)
        size += len(piece)
        await asyncio.to_thread(file.write, piece)
    file.seek(0)
    return BodyReference(size=size, sha256=digest.hexdigest(), object=key)


async def _header_of(mail: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The header of a mail, or its first MAX_HEADER bytes, and the whole mail."""
    start = bytearray()
    async for piece in mail:
        start += piece
        if b"\r\n\r\n" in start or len(start) >= MAX_HEADER:
            break
    return bytes(start).partition(b"\r\n\r\n")[0], _joined(bytes(start), mail, b"")


async def _joined(before: bytes, mail: AsyncIterator[bytes], behind: bytes) -> AsyncIterator[bytes]:
    yield before
    async for piece in mail:
        yield piece
    yield behind


def _record(envelope: Envelope, body: BodyReference) -> MailAccepted:
    sized = msgspec.structs.replace(envelope, size=body.size)
    return MailAccepted(envelope=sized, manifest=Manifest(), votes=(), body=body)


def _envelope(original: Envelope, owed: OwedCopy, return_path: str) -> Envelope:
    """The copy's own envelope, whose return path keeps bounces away from the sender.

    SMTPUTF8 is taken over, since the fields hold the original's addresses, and REQUIRETLS, since
    the copy holds its content.
    """
    return Envelope(
        id=owed.copy,
        account=owed.account,
        sender=return_path,
        recipients=(owed.address,),
        host="",
        received_at=datetime.now(UTC),
        listener="internal",
        smtputf8=original.smtputf8,
        eight_bit=original.eight_bit,
        require_tls=original.require_tls,
    )
