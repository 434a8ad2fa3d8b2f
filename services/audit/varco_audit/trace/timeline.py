"""A mail's story from its events, in the order in which things happened. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from varco_audit.trace.descriptions import describe
from varco_audit.trace.model import MailSummary, MailTimeline, SessionView, TimelineStep, VoteView
from varco_audit.trace.recipient_status import recipient_statuses
from varco_common.bus import RawEvent
from varco_common.events import (
    AnyEvent,
    CopyForwarded,
    MailOutcome,
    MailRecorded,
    MailRefused,
    RecipientRefused,
    decode_authenticated,
    fact,
)
from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest

OWN = ("accepted", "convert")  # the kinds of the records of mails that clients gave


class SequencedEvent(NamedTuple):
    """An event that could be read, and its place."""

    sequence: int
    event: AnyEvent


def decode_readable(raws: Iterable[RawEvent]) -> Iterator[SequencedEvent]:
    """Those that are events, and that somebody said."""
    for raw in raws:
        try:
            if raw.own:
                yield SequencedEvent(raw.sequence, decode_authenticated(raw.subject, raw.payload))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def timeline_of(mail: str, told: Iterable[SequencedEvent]) -> MailTimeline:
    """The story of one mail; `told` are all events about it and about what came of it, in any order."""
    events = sorted(told, key=lambda one: (happened_at(one.event), one.sequence))
    first = _decided(mail, events)
    ballot = summary_of(first) if first else None
    envelope = _envelope(first) if first else None
    own = [one.event for one in events if getattr(one.event, "mail", "") == mail]
    return MailTimeline(
        mail=mail,
        account=ballot.account if ballot else next((a for one in events if (a := _account(one.event))), ""),
        ballot=ballot,
        session=_session(envelope) if envelope else None,
        votes=tuple(map(_cast, _votes(first))) if first else (),
        fates=recipient_statuses(
            ballot.recipients if ballot else (),
            own,
            accepted=not ballot or ballot.accepted,
            answer=ballot.answer if ballot else "",
        ),
        steps=tuple(_step(one, _about(mail, one.event, events)) for one in events),
    )


def _decided(mail: str, events: list[SequencedEvent]) -> AnyEvent | None:
    """The event with the mail's ballot; where its client gave up, the refusal of a recipient is all there is."""
    found = [one.event for one in events if (ballot := summary_of(one.event)) and ballot.mail == mail]
    return min(found, key=lambda event: isinstance(event, RecipientRefused), default=None)


def happened_at(event: AnyEvent) -> datetime:
    """When it happened: of a record, when MAIL stored it."""
    return event.stored_at if isinstance(event, MailRecorded) else event.at


def summary_of(event: AnyEvent) -> MailSummary | None:
    """The mail in short, of the events that hold a ballot."""
    match event:
        case RecipientRefused():
            return MailSummary(
                mail=event.mail,
                account=event.account,
                at=event.at.astimezone(UTC),
                sender=event.sender,
                recipients=(event.recipient,),
                subject="",
                message_id="",
                size=0,
                accepted=False,
                kind="refused",
                answer=event.answer,
            )
        case MailRefused(ballot=ballot, answer=answer):
            return _ballot(ballot.envelope, ballot.manifest, kind="refused", answer=answer)
        case MailRecorded(record=MailAccepted(envelope=envelope, manifest=manifest), kind=kind):
            answer = Reply.ACCEPTED.answer.line(f"Ok: queued as {envelope.id}") if kind in OWN else ""
            return _ballot(envelope, manifest, kind=kind, answer=answer)
    return None


def _ballot(envelope: Envelope, manifest: Manifest, *, kind: str, answer: str) -> MailSummary:
    return MailSummary(
        mail=envelope.id,
        account=envelope.account,
        at=envelope.received_at.astimezone(UTC),
        sender=envelope.sender,
        recipients=envelope.recipients,
        subject=manifest.subject,
        message_id=manifest.message_id,
        size=envelope.size,
        accepted=kind != "refused",
        kind=kind,
        answer=answer,
    )


def _envelope(event: AnyEvent) -> Envelope | None:
    match event:
        case MailRefused(ballot=ballot):
            return ballot.envelope
        case MailRecorded(record=record):
            return record.envelope
    return None


def _votes(event: AnyEvent) -> tuple[Vote, ...]:
    match event:
        case MailRefused(votes=votes) | MailRecorded(record=MailAccepted(votes=votes)):
            return votes
    return ()


def _session(envelope: Envelope) -> SessionView:
    return SessionView(envelope.host, envelope.helo, envelope.login, envelope.tls, envelope.listener)


def _cast(vote: Vote) -> VoteView:
    return VoteView(
        voter=vote.voter,
        reply=vote.reply.value,
        reason=vote.reason,
        text=vote.text,
        sequence=vote.sequence,
        figures=dict(vote.figures),
        convert=vote.convert,
    )


def _account(event: AnyEvent) -> str:
    account = getattr(event, "account", "")
    return account if isinstance(account, str) else ""


def _about(mail: str, event: AnyEvent, events: list[SequencedEvent]) -> str:
    """Whose outcome it is, where it isn't the mail's own."""
    if not isinstance(event, MailOutcome) or event.mail == mail:
        return ""
    copies = {one.event.copy for one in events if isinstance(one.event, CopyForwarded)}
    return "copy" if event.mail in copies else "notification"


def _step(one: SequencedEvent, about: str) -> TimelineStep:
    tone, what, details = describe(one.event, about)
    return TimelineStep(one.sequence, happened_at(one.event), fact(type(one.event)), tone, what, details)
