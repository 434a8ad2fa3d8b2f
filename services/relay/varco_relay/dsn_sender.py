"""Writes delivery status notifications into MAIL, as mail of their own that relay then delivers like any other."""

from varco_common.base.errors import VarcoError
from varco_common.bus import Bus, StoredMail
from varco_common.events import SenderNotified
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.storage.object_store import ObjectStore
from varco_relay import metrics
from varco_relay.delivery_attempt import Clock, utc_now
from varco_relay.dsn import DsnContent, compose, headers_of, internationalised
from varco_relay.model.queue import PendingDsn, QueuedMail


class DsnSender:
    """`reporter` is the host name that this gate goes by."""

    def __init__(self, bus: Bus, blobs: ObjectStore, reporter: str, clock: Clock = utc_now) -> None:
        self._bus, self._blobs, self._reporter, self._clock = bus, blobs, reporter, clock

    async def notify(self, state: QueuedMail, owed: PendingDsn, stored: StoredMail | None) -> int:
        """Appends the notification, then the event that it is written; returns the event's sequence.

        The notification's id was made with the failure's event, so the bus takes it once, however often this is tried
        within its two minutes.
        """
        envelope = stored.record.envelope if stored else _outline(state, owed)
        notice = DsnContent(
            id=owed.dsn,
            reporter=self._reporter,
            host=owed.host,
            envelope=envelope,
            failures=owed.failures,
            headers=await self._headers(stored),
            now=self._clock(),
            expired=owed.expired,
        )
        body = compose(notice)
        await self._bus.mail.append("dsn", _record(notice, body), body)
        event = SenderNotified(
            at=notice.now, account=state.account, mail=state.mail, sequence=state.sequence, dsn=owed.dsn
        )
        sequence = await self._bus.events.append(event)
        metrics.notified.inc()
        return sequence

    async def _headers(self, stored: StoredMail | None) -> bytes:
        """The original's header section; without it the notification is still worth sending."""
        if not stored:
            return b""
        if not (key := stored.record.body.object):
            return headers_of(stored.body)
        try:
            async for chunk in self._blobs.stream(key):
                return headers_of(chunk)
        except VarcoError:
            pass
        return b""


def _record(notice: DsnContent, body: bytes) -> MailAccepted:
    envelope = Envelope(
        id=notice.id,
        account=notice.envelope.account,
        sender="",  # RFC 3464 2: never a notification about a notification
        recipients=(notice.envelope.sender,),
        host="",
        received_at=notice.now,
        size=len(body),
        listener="internal",
        smtputf8=internationalised(notice),
        eight_bit=not body.isascii(),
    )
    return MailAccepted(envelope=envelope, manifest=Manifest(), votes=(), body=BodyReference(size=len(body)))


def _outline(state: QueuedMail, owed: PendingDsn) -> Envelope:
    return Envelope(
        id=state.mail,
        account=state.account,
        sender=state.sender,
        recipients=tuple(failure.recipient for failure in owed.failures),
        host="",
        received_at=state.accepted_at or owed.since,
    )
