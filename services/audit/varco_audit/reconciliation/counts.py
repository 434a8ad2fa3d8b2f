"""The balance of a batch of events: who is owed a mail still, and what became of the others. Pure.

An accepted mail with heavy attachments is one mail, whichever record of it is owed. Forwarded copies and notifications
are mails of their own kinds. A recipient counts once, whatever is said of it again.
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
    MailRecorded.subject_filter(),
    DeadLetterDropped.subject_filter(),
    *(
        subjects.event("relay", fact, "*")
        for fact in ("mail-delivered", "mail-delivered-later", "mail-bounced", "mail-expired", "mail-dropped")
    ),
)
_KINDS = {"accepted": "mail", "convert": "mail", "copy": "copy", "dsn": "dsn"}
HOUR_MS = 3_600_000


class RecipientOutcome(StrEnum):
    """What can become of a recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    DROPPED = "dropped"


ACCEPTED = "accepted"
BalanceLine = tuple[str, int, str]  # account, hour, kind


class OutstandingMail(msgspec.Struct):
    """A mail that somebody still owes to the recipients that are `left`: the record at `sequence` of MAIL, `subject`."""

    mail: str
    account: str
    hour: int
    kind: str
    subject: str
    sequence: int
    at_ms: int
    left: list[str]


class BalanceCounts:
    """Begins with what is known of the mails that the events tell of; ends with what is to be written down of them.

    `early` are outcomes by mail and recipient that were heard before the mail was; `sums` what is to be added, by line.
    """

    def __init__(self, debts: dict[str, OutstandingMail], early: dict[str, dict[str, str]]) -> None:
        self.debts, self.early = debts, early
        self.sums: Counter[tuple[BalanceLine, str]] = Counter()

    def apply(self, event: AnyEvent) -> None:
        """In the order of EVENTS."""
        match event:
            case MailRecorded():
                self._recorded(event)
            case MailDelivered(mail=mail, recipients=recipients):
                self._settle(mail, recipients, RecipientOutcome.DELIVERED)
            case MailBounced(mail=mail, failures=failures):
                self._settle(mail, [failure.recipient for failure in failures], RecipientOutcome.BOUNCED)
            case MailExpired(mail=mail, failures=failures):
                self._settle(mail, [failure.recipient for failure in failures], RecipientOutcome.EXPIRED)
            case MailDropped(mail=mail, recipients=recipients) | DeadLetterDropped(mail=mail, recipients=recipients):
                if mail:
                    self._settle(mail, recipients, RecipientOutcome.DROPPED)
            case _:
                pass

    def _recorded(self, event: MailRecorded) -> None:
        envelope = event.record.envelope
        subject = subjects.mail(event.kind, subjects.token(envelope.account))
        debt = self.debts.get(envelope.id)
        if event.kind not in _KINDS:  # it was converted: relay owes it now
            if debt:
                debt.subject, debt.sequence = subject, event.sequence
            return
        if debt:
            return
        at_ms = int(event.stored_at.timestamp() * 1000)
        debt = OutstandingMail(
            mail=envelope.id,
            account=envelope.account,
            hour=at_ms // HOUR_MS,
            kind=_KINDS[event.kind],
            subject=subject,
            sequence=event.sequence,
            at_ms=at_ms,
            left=list(dict.fromkeys(envelope.recipients)),
        )
        self.debts[debt.mail] = debt
        self.sums[_line(debt), ACCEPTED] += len(debt.left)
        for recipient, outcome in self.early.pop(debt.mail, {}).items():
            self._settle(debt.mail, [recipient], RecipientOutcome(outcome))

    def _settle(self, mail: str, recipients: Iterable[str], outcome: RecipientOutcome) -> None:
        debt = self.debts.get(mail)
        for recipient in recipients:
            if debt is None:
                self.early.setdefault(mail, {}).setdefault(recipient, outcome.value)
            elif recipient in debt.left:
                debt.left.remove(recipient)
                self.sums[_line(debt), outcome.value] += 1


def mails_of(event: AnyEvent) -> str:
    """The mail that the event tells of; empty: of none."""
    return event.record.envelope.id if isinstance(event, MailRecorded) else str(getattr(event, "mail", ""))


def _line(debt: OutstandingMail) -> BalanceLine:
    return debt.account, debt.hour, debt.kind
