"""Forwards copies: a record of its own in stream MAIL for each, which relay delivers; and hears which of them bounce."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec

from varco_archive import metrics
from varco_archive.body_reader import BodyReader
from varco_archive.copy_index import CopyIndex, OwedCopy
from varco_archive.copy_indexer import CopyIndexer
from varco_archive.model import CopySettings, ForwardingTarget
from varco_archive.rendered_copy import envelope_fields, journal
from varco_common.base import log
from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import CopyBounced, CopyForm, CopyForwarded, MailBounced, MailExpired
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted, MailRecord
from varco_common.mime import Manifest

RELAY_FAILURES = ("events.relay.mail-bounced.*", "events.relay.mail-expired.*")
AT_ONCE = 50
_IN_FLIGHT = 4
_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 2.0
_MARK = "fates"
_log = log.get(__name__)


class Forwarder:
    """`state` gives what is known of an account; `return_path` is the envelope sender where an account names none."""

    def __init__(
        self,
        bus: Bus,
        index: CopyIndex,
        bodies: BodyReader,
        collector: CopyIndexer,
        *,
        state: Callable[[str], CopySettings | None],
        return_path: str,
        reporter: str,
    ) -> None:
        self._bus, self._index, self._bodies, self._collector = bus, index, bodies, collector
        self._state, self._return_path, self._reporter = state, return_path, reporter
        self._doubt = datetime.now(UTC)
        self._certain = False

    async def run(self) -> None:
        """Until cancelled.

        A copy may be in the stream already though the index says that it is owed: after a crash, or an append without an
        answer. The collector sees the stream's copies as well, so what it has seen to the end is known for certain.
        """
        while True:
            if not self._certain:
                await self._collector.caught_up(self._doubt)
                self._certain = True
            self._collector.owing.clear()
            try:
                owed = await self._index.owed(AT_ONCE)
                await self._forward_all(owed)
            except TransientError as error:
                _log.warning("copies wait to be forwarded", error=str(error))
                self._certain, self._doubt = False, datetime.now(UTC)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            metrics.OWED.set(await self._count())
            if not owed:
                await self._more()

    async def hear(self) -> None:
        """Says which copies won't get there, until cancelled. Nobody is sent a word: the sender knows nothing of them."""
        after = await retry_until_available(lambda: self._index.mark(_MARK))
        if not after:
            after = await retry_until_available(lambda: self._bus.events.last_sequence(*RELAY_FAILURES))
            await retry_until_available(lambda: self._index.set_mark(_MARK, after))
        async with aclosing(self._bus.events.follow(*RELAY_FAILURES, after=after)) as events:
            async for stored in events:
                if isinstance(stored.event, MailBounced | MailExpired):
                    event = stored.event
                    await retry_until_available(lambda event=event, at=stored.sequence: self._heard(event, at))  # type: ignore[misc]

    async def _heard(self, event: MailBounced | MailExpired, sequence: int) -> None:
        if found := (await self._index.of_copies([event.mail])).get(event.mail):
            mail, address = found
            answer = event.failures[-1].answer if event.failures else ""
            await self._bounced(event.account, mail, event.mail, address, answer)
        await self._index.set_mark(_MARK, sequence)

    async def _bounced(self, account: str, mail: str, copy: str, address: str, answer: str) -> None:
        event = CopyBounced(
            at=datetime.now(UTC), account=account, by="archive", mail=mail, copy=copy, address=address, answer=answer
        )
        await self._bus.events.append(event, once=f"{mail}.copy.bounced")
        metrics.BOUNCED.inc()
        _log.warning("a copy bounced", account=account, mail=mail, address=address, answer=answer)

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._collector.owing.wait()
        except TimeoutError:
            pass

    async def _count(self) -> int:
        try:
            return await self._index.owed_count()
        except TransientError:
            return 0

    async def _forward_all(self, owed: list[OwedCopy]) -> None:
        """A few at once. Raises the first failure, when all have ended."""
        turns = asyncio.Semaphore(_IN_FLIGHT)

        async def one(copy: OwedCopy) -> None:
            async with turns:
                await self._forward(copy)

        ended = await asyncio.gather(*map(one, owed), return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException):
                raise result

    async def _forward(self, owed: OwedCopy) -> None:
        try:
            record, mail = await self._bodies.mail(owed.sequence)
            target = self._target(owed)
            envelope = _envelope(record.envelope, owed, target.return_path or self._return_path)
            before, behind = self._around(record, owed, target)
            await self._append(record, envelope, _joined(before, mail, behind))
        except PoisonError as error:
            await self._bounced(owed.account, owed.mail, "", owed.address, str(error))
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
        await self._index.forwarded(owed.id)

    def _target(self, owed: OwedCopy) -> ForwardingTarget:
        state = self._state(owed.account)
        targets = [span.target for span in reversed(state.spans if state else ()) if span.target]
        return next((t for t in targets if t.address == owed.address), ForwardingTarget(address=owed.address))

    def _around(self, record: MailRecord, owed: OwedCopy, target: ForwardingTarget) -> tuple[bytes, bytes]:
        if target.form is CopyForm.PLAIN:
            return envelope_fields(record.envelope), b""
        return journal(
            record.envelope,
            owed.copy,
            address=owed.address,
            reporter=self._reporter,
            eight_bit=record.envelope.eight_bit,
        )

    async def _append(self, record: MailRecord, envelope: Envelope, body: AsyncIterator[bytes]) -> None:
        """Inline where the mail itself was; else through a file into the object store, in pieces."""
        if not record.body.object:
            whole = b"".join([piece async for piece in body])
            where = BodyReference(size=len(whole), sha256=hashlib.sha256(whole).hexdigest())
            await self._bus.mail.append("copy", _record(envelope, where), whole)
            return
        with tempfile.TemporaryFile(prefix="varco-copy-") as file:
            where = await _spooled(body, file, envelope.id)
            await self._bodies.blobs.put(envelope.id, file, where.size)
        await self._bus.mail.append("copy", _record(envelope, where), b"")


async def _spooled(body: AsyncIterator[bytes], file: BinaryIO, key: str) -> BodyReference:
    digest, size = hashlib.sha256(), 0
    async for piece in body:
        digest.update(piece)
        size += len(piece)
        await asyncio.to_thread(file.write, piece)
    file.seek(0)
    return BodyReference(size=size, sha256=digest.hexdigest(), object=key)


async def _joined(before: bytes, mail: AsyncIterator[bytes], behind: bytes) -> AsyncIterator[bytes]:
    yield before
    async for piece in mail:
        yield piece
    yield behind


def _record(envelope: Envelope, body: BodyReference) -> MailAccepted:
    sized = msgspec.structs.replace(envelope, size=body.size)
    return MailAccepted(envelope=sized, manifest=Manifest(), votes=(), body=body)


def _envelope(original: Envelope, owed: OwedCopy, return_path: str) -> Envelope:
    """Nothing of the original's: the next hop sees the copy's own return path, and no bounce finds the sender.

    SMTPUTF8 as far as the header may hold what the mail's own envelope had.
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
    )
