"""What is stated on the bus before a client hears it: refusals and other facts in EVENTS, accepted mails in MAIL."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import BinaryIO, cast

from varco_common.base import log
from varco_common.base.errors import PoisonError, StoreFull, TransientError
from varco_common.bus import Bus
from varco_common.events import MailRefused, RecipientRefused
from varco_common.events.base import Event
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import Verdict
from varco_common.storage.object_store import ObjectStore
from varco_ingress_smtp.header_fixups import fix_header
from varco_ingress_smtp.stored_message import ReceivedBody, stored_inline
from varco_ingress_smtp.transaction import SessionInfo, Transaction

_log = log.get(__name__)
Votes = tuple[Vote, ...]


class Recorder:
    """Appends; its methods return the reply that holds once that has been done, or couldn't be."""

    def __init__(self, bus: Bus, bodies: ObjectStore, hostname: str) -> None:
        self._bus = bus
        self._bodies = bodies
        self._hostname = hostname
        self._pending: set[asyncio.Task[int]] = set()

    async def append(self, fact: Event) -> None:
        """Appends an event, even when the session ends meanwhile: hanging up is no way around a strike."""
        task = asyncio.create_task(self._bus.events.append(fact))
        self._pending.add(task)
        task.add_done_callback(self._appended)
        await asyncio.shield(task)

    def append_in_background(self, fact: Event) -> None:
        """As `say`, where nobody waits; a failure is logged."""
        task = asyncio.create_task(self._bus.events.append(fact))
        self._pending.add(task)
        task.add_done_callback(self._appended)

    async def flush(self) -> None:
        """When everything that was begun has been said."""
        await asyncio.gather(*self._pending, return_exceptions=True)

    def _appended(self, task: asyncio.Task[int]) -> None:
        self._pending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("fact not kept", error=str(error))

    async def append_refusal(
        self, ballot: Ballot, votes: Votes, required: tuple[str, ...], outcome: Verdict, answer: str
    ) -> Reply:
        """Appends MailRefused. While the bus is away the reply is SERVICE_MISSING: the client may try again."""
        fact = MailRefused(
            at=datetime.now(UTC), ballot=ballot, votes=votes, reply=outcome.reply, answer=answer, required=required
        )
        return await self._stated(fact, outcome.reply)

    async def append_recipient_refusal(
        self, mail: Transaction, info: SessionInfo, address: str, reply: Reply, answer: str
    ) -> Reply:
        """As `refuse`, of one recipient."""
        fact = RecipientRefused(
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
        return await self._stated(fact, reply)

    async def _stated(self, fact: Event, reply: Reply) -> Reply:
        try:
            self._bus.check()
            await self.append(fact)
        except TransientError as error:
            return _trouble(error)
        return reply

    async def append_mail(self, ballot: Ballot, votes: Votes, outcome: Verdict, received: ReceivedBody) -> Reply:
        """The mail into MAIL, a large body into the object store before it. ACCEPTED stands behind the append alone."""
        envelope, manifest = ballot.envelope, ballot.manifest
        header = fix_header(received.header, manifest, envelope, self._hostname)
        try:
            inline, body = await self._store(envelope.id, header.header, received)
            body = BodyReference(size=body.size, sha256=body.sha256, object=body.object, shift=header.shift)
            record = MailAccepted(envelope=envelope, manifest=manifest, votes=votes, body=body, convert=outcome.convert)
            await self._bus.mail.append("convert" if outcome.convert else "accepted", record, inline)
        except TransientError as error:
            return _trouble(error)
        except PoisonError as error:
            _log.error("mail can't be kept", mail=envelope.id, error=str(error))
            return Reply.SERVICE_MISSING
        return Reply.ACCEPTED

    async def _store(self, key: str, header: bytes, received: ReceivedBody) -> tuple[bytes, BodyReference]:
        if received.spool.inline:
            with received.spool.whole() as whole:
                inline = stored_inline(header, whole, len(received.header))
            return inline, BodyReference(size=len(inline), sha256=hashlib.sha256(inline).hexdigest())
        with received.stored(header) as stream:
            size = stream.size
            await self._bodies.put(key, cast(BinaryIO, stream), size)
            return b"", BodyReference(size=size, sha256=stream.sha256, object=key)


def _trouble(error: TransientError) -> Reply:
    _log.warning("the bus or the store fails", error=str(error))
    return Reply.STORE_FULL if isinstance(error, StoreFull) else Reply.SERVICE_MISSING
