"""Writes DSNs into MAIL, as mails of their own that relay then delivers like any other."""

from collections.abc import Callable
from datetime import datetime

from varco_common.base.errors import VarcoError
from varco_common.bus import Bus, StoredMail
from varco_common.events import SenderNotified
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.delivery_options import Return
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.storage.object_store import ObjectStore
from varco_relay import metrics
from varco_relay.delivery_attempt import utc_now
from varco_relay.dsn import MAX_RETURNED, DsnContent, compose, headers_of, internationalised, plain
from varco_relay.dsn_text import UNKNOWN
from varco_relay.model.queue import DsnAction, PendingDsn, QueuedMail


class DsnSender:
    """`reporter` is the host name of this gate.

    `texts_of` has what the users of an account read; None: not known.
    """

    def __init__(
        self, bus: Bus, object_store: ObjectStore, reporter: str, texts_of: Callable[[str], AccountTexts | None]
    ) -> None:
        self._bus, self._object_store, self._reporter = bus, object_store, reporter
        self._texts_of = texts_of

    async def send(self, state: QueuedMail, pending: PendingDsn, stored: StoredMail | None) -> int:
        """Appends the DSN, then the event that it is written; returns the sequence of the event.

        The event of the failure has the id of the DSN. The bus takes a DSN of one id once within
        two minutes, so a repeated call does no harm.
        """
        recipients = tuple(failure.recipient for failure in pending.failures)
        envelope = stored.record.envelope if stored else outline(state, recipients, state.accepted_at or pending.since)
        whole = pending.action is DsnAction.FAILED and _goes_back_whole(stored)
        original = await self._original(stored, whole=whole)
        content = DsnContent(
            id=pending.dsn,
            reporter=self._reporter,
            host=pending.host,
            envelope=envelope,
            failures=tuple(f for f in pending.failures if envelope.wants(f.recipient, pending.action.wanted_by)),
            headers=headers_of(original),
            original=plain(original) if whole else b"",
            now=utc_now(),
            expired=pending.expired,
            action=pending.action,
            texts=self._texts_of(state.account) or UNKNOWN,
        )
        if envelope.sender and content.failures:  # what is known of a mail whose record is gone may be too little
            body = compose(content)
            await self._bus.mail.append("dsn", _record(content, body), body)
        event = SenderNotified(
            at=content.now, account=state.account, mail=state.mail, sequence=state.sequence, dsn=pending.dsn
        )
        sequence = await self._bus.events.append(event)
        metrics.notified.inc()
        return sequence

    async def _original(self, stored: StoredMail | None, *, whole: bool) -> bytes:
        """The original in wire form, or its beginning. Without it the DSN is worth sending, too."""
        if not stored:
            return b""
        if not (key := stored.record.body.object):
            return stored.body
        original = b""
        try:
            async for chunk in self._object_store.stream(key):
                original += chunk
                if not whole:
                    break
        except VarcoError:
            pass
        return original


def _goes_back_whole(stored: StoredMail | None) -> bool:
    """RFC 3461 4.3. What asks for TLS goes back without its content (RFC 8689 5)."""
    if not stored or stored.record.body.size > MAX_RETURNED:
        return False
    envelope = stored.record.envelope
    return envelope.returns is Return.FULL and not envelope.require_tls


def outline(state: QueuedMail, recipients: tuple[str, ...], received_at: datetime) -> Envelope:
    """What is known of the envelope of a mail whose record is gone from MAIL."""
    return Envelope(
        id=state.mail,
        account=state.account,
        sender=state.sender,
        recipients=recipients,
        host="",
        received_at=received_at,
    )


def _record(content: DsnContent, body: bytes) -> MailAccepted:
    envelope = Envelope(
        id=content.id,
        account=content.envelope.account,
        sender="",  # RFC 3464 2: a DSN about a DSN is never sent
        recipients=(content.envelope.sender,),
        host="",
        received_at=content.now,
        size=len(body),
        listener="internal",
        smtputf8=internationalised(content),
        eight_bit=not body.isascii(),
        require_tls=content.envelope.require_tls,  # RFC 8689 5
    )
    return MailAccepted(envelope=envelope, manifest=Manifest(), votes=(), body=BodyReference(size=len(body)))
