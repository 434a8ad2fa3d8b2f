"""The balance of a batch of events: which mails are outstanding, what became of the others. Pure.

A mail whose attachments become links has two records, and is one mail. Forwarded copies and
notifications are mails of their own kinds. A recipient counts once, however often an outcome is
stated.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from varco_common.base import subjects
from varco_common.events import (
    AnyEvent,
    DeadLetterDropped,
    MailBounced,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailRecorded,
)

FILTERS = (
    *(
        kind.subject_filter()
        for kind in (MailRecorded, DeadLetterDropped, MailDelivered, MailBounced, MailExpired, MailDropped)
    ),
    subjects.event(MailDelivered.SERVICE, "mail-delivered-later", "*"),
)
HOUR_MS = 3_600_000
_KINDS = {"accepted": "mail", "convert": "mail", "copy": "copy", "dsn": "dsn"}


class RecipientOutcome(StrEnum):
    """What can become of a recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    DROPPED = "dropped"


ACCEPTED = "accepted"
BalanceLine = tuple[str, int, str]  # account, hour since 1970, kind (mail, copy, dsn)


class OutstandingMail(msgspec.Struct):
    """A mail that has no outcome yet for the recipients in `left`.

    `subject` and `sequence` are the place in MAIL of the record that must be delivered.
    """

    mail: str
    account: str
    hour: int
    kind: str
    subject: str
    sequence: int
    at_ms: int
    left: list[str]

    @property
    def line(self) -> BalanceLine:
        """The line of the balance that it is counted in."""
        return self.account, self.hour, self.kind


class BalanceCounts:
    """Begins with what is known of the mails in the events; ends with what must be stored of them.

    `early` are outcomes by mail and recipient that arrived before the mail's record. `sums` are
    to be added to the lines of the balance.
    """

    def __init__(self, outstanding: dict[str, OutstandingMail], early: dict[str, dict[str, str]]) -> None:
        self.outstanding, self.early = outstanding, early
        self.sums: Counter[tuple[BalanceLine, str]] = Counter()

    def apply(self, event: AnyEvent) -> None:
        """Events must come in their order in EVENTS."""
        match event:
            case MailRecorded():
                self._apply_record(event)
            case MailDelivered(mail=mail, recipients=recipients):
                self._settle(mail, recipients, RecipientOutcome.DELIVERED)
            case MailBounced(mail=mail, failures=failures):
                self._settle(mail, [failure.recipient for failure in failures], RecipientOutcome.BOUNCED)
            case MailExpired(mail=mail, failures=failures):
                self._settle(mail, [failure.recipient for failure in failures], RecipientOutcome.EXPIRED)
            case MailDropped(mail=mail, recipients=recipients) | DeadLetterDropped(mail=mail, recipients=recipients):
                self._settle(mail, recipients, RecipientOutcome.DROPPED)
            case _:
                pass

    def _apply_record(self, event: MailRecorded) -> None:
        envelope = event.record.envelope
        subject = subjects.mail(event.kind, subjects.token(envelope.account))
        known = self.outstanding.get(envelope.id)
        if known and event.kind not in _KINDS:  # converted: now relay must deliver this record
            known.subject, known.sequence = subject, event.sequence
        if known or event.kind not in _KINDS:
            return
        at_ms = int(event.stored_at.timestamp() * 1000)
        mail = OutstandingMail(
            mail=envelope.id,
            account=envelope.account,
            hour=at_ms // HOUR_MS,
            kind=_KINDS[event.kind],
            subject=subject,
            sequence=event.sequence,
            at_ms=at_ms,
            left=list(dict.fromkeys(envelope.recipients)),
        )
        self.outstanding[mail.mail] = mail
        self.sums[mail.line, ACCEPTED] += len(mail.left)
        for recipient, outcome in self.early.pop(mail.mail, {}).items():
            self._settle(mail.mail, [recipient], RecipientOutcome(outcome))

    def _settle(self, mail: str, recipients: Iterable[str], outcome: RecipientOutcome) -> None:
        known = self.outstanding.get(mail)
        for recipient in recipients if mail else ():
            if known is None:
                self.early.setdefault(mail, {}).setdefault(recipient, outcome.value)
            elif recipient in known.left:
                known.left.remove(recipient)
                self.sums[known.line, outcome.value] += 1


def mail_of(event: AnyEvent) -> str:
    """The id of the mail that the event is about; empty if it is about none."""
    return event.record.envelope.id if isinstance(event, MailRecorded) else str(getattr(event, "mail", ""))
