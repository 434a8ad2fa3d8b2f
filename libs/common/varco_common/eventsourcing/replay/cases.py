"""From an event about a mail to the case that was decided. Pure."""

from varco_common.base import subjects
from varco_common.bus import StoredEvent
from varco_common.events import MailRecorded, MailRefused
from varco_common.eventsourcing.replay.frames import ReplayedMail
from varco_common.eventsourcing.replay.replayable import PastDecision, ReplayCase
from varco_common.mail.ballot import Ballot
from varco_common.mail.record import MailAccepted
from varco_common.mail.replies import Reply

VOTED_KINDS = ("accepted", "convert")  # the kinds of records that voters have voted on


def mail_filters(account: str = "") -> tuple[str, str]:
    """The subjects of the events about mails of one account; empty: of all accounts."""
    token = subjects.token(account) if account else "*"
    return MailRecorded.subject_filter(token), MailRefused.subject_filter(token)


def case_of(stored: StoredEvent) -> ReplayCase | None:
    """None for a record without votes: a copy, a notification, a converted mail."""
    event = stored.event
    if isinstance(event, MailRefused):
        early = len(event.votes) == 1 and event.votes[0].voter == event.SERVICE
        return ReplayCase(
            stored.sequence, event.ballot, event.votes, event.reply, None, early=early, required=event.required
        )
    if isinstance(event, MailRecorded) and event.kind in VOTED_KINDS and isinstance(event.record, MailAccepted):
        record = event.record
        ballot = Ballot(envelope=record.envelope, manifest=record.manifest)
        passed = PastDecision(event.sequence, event.stored_at)
        return ReplayCase(stored.sequence, ballot, record.votes, Reply.ACCEPTED, passed, record.convert)
    return None


def mail_of(case: ReplayCase) -> ReplayedMail:
    """The mail as frames describe it."""
    envelope = case.envelope
    return ReplayedMail(
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
