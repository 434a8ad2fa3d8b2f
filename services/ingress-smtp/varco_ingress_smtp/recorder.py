"""Appends refusals to EVENTS and accepted mails to MAIL, before the client gets its answer."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import BinaryIO, cast

from msgspec.structs import replace

from varco_common.base import log
from varco_common.base.errors import PoisonError, StoreFull, TransientError
from varco_common.bus import Bus
from varco_common.events import Event, MailRefused, RecipientRefused
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import Verdict
from varco_common.mail.wire_form import count_dots
from varco_common.storage.object_store import ObjectStore
from varco_ingress_smtp.header_fixups import fix_header
from varco_ingress_smtp.stored_message import ReceivedBody, stored_whole
from varco_ingress_smtp.transaction import SessionInfo, Transaction

_log = log.get(__name__)
Votes = tuple[Vote, ...]


class Recorder:
    """Its methods return the reply that holds once the append was acknowledged, or has failed.

    A body of at most `inline_bytes` travels in its record.
    """

    def __init__(self, bus: Bus, bodies: ObjectStore, hostname: str, inline_bytes: int) -> None:
        self._bus = bus
        self._bodies = bodies
        self._hostname = hostname
        self.inline_bytes = inline_bytes
        self._pending: set[asyncio.Task[int]] = set()

    async def append(self, event: Event) -> None:
        """Appends an event, even if the session ends meanwhile: hanging up avoids no strike."""
        await asyncio.shield(self.append_in_background(event))

    def append_in_background(self, event: Event) -> asyncio.Task[int]:
        """As `append`, without waiting. A failure is logged."""
        task = asyncio.create_task(self._bus.events.append(event))
        self._pending.add(task)
        task.add_done_callback(self._on_done)
        return task

    async def flush(self) -> None:
        """Waits until every append that has begun is done."""
        await asyncio.gather(*self._pending, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[int]) -> None:
        self._pending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("event not appended", error=str(error))

    async def append_refusal(
        self, ballot: Ballot, votes: Votes, required: tuple[str, ...], outcome: Verdict, answer: str
    ) -> Reply:
        """Appends MailRefused. While the bus is away the reply is a temporary failure instead."""
        event = MailRefused(
            at=datetime.now(UTC), ballot=ballot, votes=votes, reply=outcome.reply, answer=answer, required=required
        )
        return await self._append_before(outcome.reply, event)

    async def append_recipient_refusal(
        self, mail: Transaction, info: SessionInfo, address: str, reply: Reply, answer: str
    ) -> Reply:
        """As `append_refusal`, for one recipient."""
        event = RecipientRefused(
            at=datetime.now(UTC),
            account=mail.granted.grant.account,
            mail=mail.id,
            sender=mail.sender,
            recipient=address,
            host=info.host,
            login=info.login,
            reply=reply,
            answer=answer,
        )
        return await self._append_before(reply, event)

    async def _append_before(self, reply: Reply, event: Event) -> Reply:
        try:
            self._bus.check()
            await self.append(event)
        except TransientError as error:
            return _failure(error)
        return reply

    async def append_mail(self, ballot: Ballot, votes: Votes, outcome: Verdict, received: ReceivedBody) -> Reply:
        """Appends the mail to MAIL, after its body went to the object store if it is large.

        The reply is ACCEPTED only when the append is acknowledged, which means synced to disk.
        """
        envelope, manifest = ballot.envelope, ballot.manifest
        header = fix_header(received.header, manifest, envelope, self._hostname)
        try:
            inline, body = await self._store(envelope.id, header.header, received)
            body = replace(body, shift=header.shift)
            record = MailAccepted(
                envelope=envelope,
                manifest=manifest,
                votes=votes,
                body=body,
                convert=outcome.convert,
                message_id=header.message_id,
            )
            await self._bus.mail.append("convert" if outcome.convert else "accepted", record, inline)
        except TransientError as error:
            return _failure(error)
        except PoisonError as error:
            _log.error("mail can't be appended", mail=envelope.id, error=str(error))
            return Reply.SERVICE_MISSING
        return Reply.ACCEPTED

    async def _store(self, key: str, header: bytes, received: ReceivedBody) -> tuple[bytes, BodyReference]:
        """The bytes that travel in the record, if any, and the reference to the body."""
        if received.spool.is_small:
            return await self._store_whole(key, header, received)
        await self._bus.admin.check_full()  # a body whose record isn't stored takes room for days
        with received.stored(header) as stream:
            size = stream.size
            await self._bodies.put(key, cast(BinaryIO, stream), size)
            return b"", BodyReference(size=size, sha256=stream.sha256, object=key, dots=stream.dots)

    async def _store_whole(self, key: str, header: bytes, received: ReceivedBody) -> tuple[bytes, BodyReference]:
        with received.spool.whole() as whole:
            body = stored_whole(header, whole, len(received.header))
        reference = BodyReference(size=len(body), sha256=hashlib.sha256(body).hexdigest(), dots=count_dots(body))
        if received.spool.size <= self.inline_bytes:
            return body, reference
        await self._bus.admin.check_full()
        await self._bodies.put(key, body)
        return b"", replace(reference, object=key)


def _failure(error: TransientError) -> Reply:
    _log.warning("the bus or the object store fails", error=str(error))
    return Reply.STORE_FULL if isinstance(error, StoreFull) else Reply.SERVICE_MISSING
