"""From an event that tells of a mail to the case that was decided. Pure."""

from varco_common import subjects
from varco_common.bus.events import Stored
from varco_common.events import MailRecorded, MailRefused
from varco_common.record import MailAccepted
from varco_common.rehearsal.frames import Mail
from varco_common.rehearsal.rehearser import Case, Passed
from varco_common.replies import Reply
from varco_common.votes import Ballot

BALLOTED = ("accepted", "convert")  # the kinds of records that were put to the vote


def told(account: str = "") -> tuple[str, str]:
    """The events that tell of mails: of one account's, or of all."""
    token = subjects.token(account) if account else "*"
    return (
        subjects.event("audit", "mail-recorded", token),
        subjects.event("ingress-smtp", "mail-refused", token),
    )


def case_of(stored: Stored) -> Case | None:
    """None where the event tells of a record that nobody voted on: a copy, a notification, a converted mail."""
    event = stored.event
    if isinstance(event, MailRefused):
        return Case(stored.sequence, event.ballot, event.votes, event.reply, None)
    if isinstance(event, MailRecorded) and event.kind in BALLOTED and isinstance(event.record, MailAccepted):
        record = event.record
        ballot = Ballot(envelope=record.envelope, manifest=record.manifest)
        passed = Passed(event.sequence, event.stored_at)
        return Case(stored.sequence, ballot, record.votes, Reply.ACCEPTED, passed, record.convert)
    return None


def mail_of(case: Case) -> Mail:
    """What frames say of it."""
    envelope = case.envelope
    return Mail(
        id=envelope.id,
        sequence=case.sequence,
        at=envelope.received_at,
        account=envelope.account,
        sender=envelope.sender,
        recipients=len(envelope.recipients),
        first_recipient=envelope.recipients[0] if envelope.recipients else "",
        size=envelope.size,
        subject=case.manifest.subject,
    )
