"""The timeline of a mail, from its events. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from varco_audit.decoding import decode_message
from varco_audit.trace.descriptions import describe
from varco_audit.trace.model import MailSession, MailSummary, MailTimeline, TimelineStep, VoteView
from varco_audit.trace.recipient_status import recipient_statuses
from varco_common.bus import StreamMessage
from varco_common.events import (
    AnyEvent,
    CopyForwarded,
    MailOutcome,
    MailRecorded,
    MailRefused,
    RecipientRefused,
    fact,
)
from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.notice_texts import Language
from varco_common.mail.record import MailAccepted
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest

FROM_CLIENTS = ("accepted", "convert")  # the kinds of the records of mails that clients sent


class SequencedEvent(NamedTuple):
    """A decoded event and its place in EVENTS."""

    sequence: int
    event: AnyEvent

    @property
    def happened_at(self) -> datetime:
        """For a record, when MAIL stored it."""
        return self.event.stored_at if isinstance(self.event, MailRecorded) else self.event.at


def decode_readable(raws: Iterable[StreamMessage]) -> Iterator[SequencedEvent]:
    """Leaves out what is no event, and what no service appended."""
    for raw in raws:
        try:
            if raw.own:
                yield SequencedEvent(raw.sequence, decode_message(raw))
        except msgspec.DecodeError:
            continue


def timeline_of(mail: str, events: Iterable[SequencedEvent], language: Language = Language.EN) -> MailTimeline:
    """`events` are about the mail or about what was made of it, in any order."""
    ordered = sorted(events, key=lambda event: (event.happened_at, event.sequence))
    decision = _decision(mail, ordered)
    summary = summary_of(decision) if decision else None
    envelope, votes = _envelope_and_votes(decision)
    statuses = recipient_statuses(
        summary.recipients if summary else (),
        [event for _, event in ordered if getattr(event, "mail", "") == mail],
        accepted=not summary or summary.accepted,
        answer=summary.answer if summary else "",
    )
    accounts = (account for _, event in ordered if isinstance(account := getattr(event, "account", ""), str))
    copies = {event.copy for _, event in ordered if isinstance(event, CopyForwarded)}
    return MailTimeline(
        mail=mail,
        account=summary.account if summary else next(filter(None, accounts), ""),
        ballot=summary,
        session=_session(envelope) if envelope else None,
        votes=tuple(map(_vote_view, votes)),
        fates=statuses,
        steps=tuple(_step(mail, event, copies, language) for event in ordered),
    )


def _decision(mail: str, events: list[SequencedEvent]) -> AnyEvent | None:
    """The event with the ballot; if the client gave up before, the refusal of a recipient."""
    decisions = [event for _, event in events if (summary := summary_of(event)) and summary.mail == mail]
    return min(decisions, key=lambda event: isinstance(event, RecipientRefused), default=None)


def summary_of(event: AnyEvent) -> MailSummary | None:
    """None if the event has neither a ballot nor a refused recipient."""
    match event:
        case RecipientRefused():
            at, recipients = event.at.astimezone(UTC), (event.recipient,)
            return MailSummary(event.mail, event.account, at, event.sender, recipients, answer=event.answer)
        case MailRefused(ballot=ballot, answer=answer):
            return _summary(ballot.envelope, ballot.manifest, kind="refused", answer=answer)
        case MailRecorded(record=MailAccepted(envelope=envelope, manifest=manifest, message_id=own_id), kind=kind):
            answer = Reply.ACCEPTED.answer.line(f"Ok: queued as {envelope.id}") if kind in FROM_CLIENTS else ""
            summary = _summary(envelope, manifest, kind=kind, answer=answer)
            return replace(summary, message_id=own_id) if own_id else summary
    return None


def _summary(envelope: Envelope, manifest: Manifest, *, kind: str, answer: str) -> MailSummary:
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


def _envelope_and_votes(decision: AnyEvent | None) -> tuple[Envelope | None, tuple[Vote, ...]]:
    match decision:
        case MailRefused(ballot=ballot, votes=votes):
            return ballot.envelope, votes
        case MailRecorded(record=MailAccepted(envelope=envelope, votes=votes)):
            return envelope, votes
    return None, ()


def _session(envelope: Envelope) -> MailSession:
    return MailSession(envelope.host, envelope.helo, envelope.login, envelope.tls, envelope.listener)


def _vote_view(vote: Vote) -> VoteView:
    reply, figures = vote.reply.value, dict(vote.figures)
    return VoteView(vote.voter, reply, vote.reason, vote.text, vote.sequence, figures, vote.convert)


def _step(mail: str, sequenced: SequencedEvent, copies: set[str], language: Language) -> TimelineStep:
    event, whose = sequenced.event, ""
    if isinstance(event, MailOutcome) and event.mail != mail:
        whose = "copy" if event.mail in copies else "notification"
    tone, what, details = describe(event, whose, language)
    return TimelineStep(sequenced.sequence, sequenced.happened_at, fact(type(event)), tone, what, details)
