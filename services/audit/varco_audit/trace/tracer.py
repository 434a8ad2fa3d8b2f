"""Finds the events of a mail by whatever is known of the mail."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from varco_audit.index.index_fields import bare_message_id, index_row
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery
from varco_audit.trace.model import MailSummary, MailTimeline, Trace
from varco_audit.trace.recipient_status import NOT_FINAL
from varco_audit.trace.timeline import FROM_CLIENTS, SequencedEvent, decode_readable, summary_of, timeline_of
from varco_common.base.errors import NotFound
from varco_common.base.ids import ALPHABET, LENGTH
from varco_common.bus import StreamMessage
from varco_common.events import (
    CopyRemoved,
    DeliveryHeld,
    DeliveryReleased,
    MailBounced,
    MailRecorded,
    MailRefused,
    RecipientRefused,
    ReputationChanged,
    RouteEvent,
    RouteFailed,
    RouteRecovered,
    RouteRemoved,
    RouteSet,
    fact,
)
from varco_common.mail.notice_texts import Language

DECISIONS = tuple(fact(kind) for kind in (MailRecorded, MailRefused, RecipientRefused))
_ROUTE_STATES = tuple(fact(kind) for kind in (RouteFailed, RouteRecovered, RouteSet, RouteRemoved))
_HOLD_STATES = tuple(fact(kind) for kind in (DeliveryHeld, DeliveryReleased))

_MAIL_ID = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}", re.ASCII)
_MAX_EVENTS = 2_000  # of one mail: a mailing has an outcome for each recipient
_MAX_RELATED = 100
_MAX_MAILS = 50
_ASKABLE = "a mail's id, its Message-ID, a recipient, a sender or words of its subject"


class SubjectSearch(Protocol):
    """Returns the newest events of mails with these words in their subject."""

    async def search(self, words: str, account: str, limit: int) -> list[int]: ...


class Tracer:
    """With an `account`, methods return what is that account's only."""

    def __init__(self, reader: EventReader, subjects: SubjectSearch) -> None:
        self._reader, self._subjects = reader, subjects

    async def trace(self, what: str, account: str, language: Language = Language.EN) -> Trace:
        """By mail id (or decision id), Message-ID, recipient, sender or words of the subject.

        Raises NotFound.
        """
        if not bare_message_id(what):
            raise NotFound(f"nothing was asked for: give {_ASKABLE}")
        mail = bare_message_id(what).partition("@")[0].lower()  # the gate's own Message-IDs begin with the mail's id
        if _MAIL_ID.fullmatch(mail) and (raws := await self._events_about(mail, account)):
            return await self._trace_of("mail", mail, raws, account, language)
        query = EventQuery(account=account, facts=DECISIONS)
        for asked, narrowed in (
            ("message_id", query._replace(message_id=what)),
            ("recipient", query._replace(recipient=what)),
            ("sender", query._replace(sender=what)),
        ):
            raws, further = await self._reader.page(narrowed, newest_first=True, limit=_MAX_MAILS)
            if mails := self._mails(raws):
                return await self._one_or_all(asked, mails, account, language, more=bool(further))
        sequences = await self._subjects.search(what, account, _MAX_MAILS + 1)
        if mails := self._mails(await self._reader.fetch(sequences[:_MAX_MAILS])):
            return await self._one_or_all("subject", mails, account, language, more=len(sequences) > _MAX_MAILS)
        raise NotFound(f"nothing is known of {what}: give {_ASKABLE}")

    async def _one_or_all(
        self, asked: str, mails: list[MailSummary], account: str, language: Language, *, more: bool
    ) -> Trace:
        if len(mails) > 1 or more:
            return Trace(asked, None, mails, more)
        mail = mails[0].mail
        return await self._trace_of(asked, mail, await self._events_about(mail, account), account, language)

    def _mails(self, raws: Iterable[StreamMessage]) -> list[MailSummary]:
        """Each mail once, as its client sent it if possible, in the order of the events."""
        mails: dict[str, MailSummary] = {}
        for _, event in decode_readable(raws):
            summary = summary_of(event)
            if summary and (summary.kind in FROM_CLIENTS or summary.mail not in mails):
                mails[summary.mail] = summary
        return list(mails.values())

    async def _trace_of(
        self, asked: str, mail: str, raws: list[StreamMessage], account: str, language: Language
    ) -> Trace:
        more = len(raws) >= _MAX_EVENTS
        return Trace(asked, await self._timeline(mail, raws, account, language), more=more)

    async def _timeline(self, mail: str, raws: list[StreamMessage], account: str, language: Language) -> MailTimeline:
        """The timeline of a notification or a copy is in that of the mail that it was made of."""
        original = _original(mail, list(decode_readable(raws)))
        if original and (of_original := await self._events_about(original, account)):
            mail, raws = original, of_original
        for related in _related(mail, raws):
            raws += await self._events_about(related, account)
        events = list(decode_readable({raw.sequence: raw for raw in raws}.values()))
        if bounces := [event.happened_at for event in events if isinstance(event.event, MailBounced)]:
            events += await self._reputation_at(timeline_of(mail, events), bounces[-1])
        timeline = timeline_of(mail, events, language)
        if not any(status.state in NOT_FINAL for status in timeline.fates):
            return timeline
        return timeline_of(mail, [*events, *await self._why_all_wait(timeline.account)], language)

    async def _why_all_wait(self, account: str) -> list[SequencedEvent]:
        """Why all mail of the account waits: a route that is down, a hold, or both."""
        events: list[SequencedEvent] = []
        for facts in (_ROUTE_STATES, _HOLD_STATES):
            query = EventQuery(account=account, service=RouteEvent.SERVICE, facts=facts)
            raws, _ = await self._reader.page(query, newest_first=True, limit=1)
            events += decode_readable(raws)
        return [event for event in events if isinstance(event.event, RouteFailed | DeliveryHeld)]

    async def _reputation_at(self, timeline: MailTimeline, at: datetime) -> list[SequencedEvent]:
        """What the world saw of the sender's domain when its mail bounced."""
        fact_name, service = fact(ReputationChanged), ReputationChanged.SERVICE
        query = EventQuery(account=timeline.account, service=service, facts=(fact_name,), until=at)
        raws, _ = await self._reader.page(query, newest_first=True, limit=_MAX_RELATED)
        domain = timeline.ballot.sender.rpartition("@")[2].lower() if timeline.ballot else ""
        for found in decode_readable(raws):
            of = found.event.domain if isinstance(found.event, ReputationChanged) else ""
            if of and f".{domain}".endswith(f".{of}"):
                return [found]
        return []

    async def _events_about(self, mail: str, account: str) -> list[StreamMessage]:
        raws, _ = await self._reader.page(EventQuery(mail=mail, account=account), limit=_MAX_EVENTS)
        return raws


def _original(mail: str, events: list[SequencedEvent]) -> str:
    """The mail that a notification or a copy was made of; empty for a mail that a client sent."""
    for _, event in events:
        if isinstance(event, MailRecorded) and event.record.envelope.id == mail and event.kind in FROM_CLIENTS:
            return ""
    others = (getattr(event, "mail", "") for _, event in events if not isinstance(event, CopyRemoved))
    return next((other for other in others if other and other != mail), "")


def _related(mail: str, raws: Iterable[StreamMessage]) -> list[str]:
    """The ids of notifications, copies and links that were made of the mail."""
    rows = [row for row in map(index_row, raws) if row.fact != fact(CopyRemoved)]  # that one names other mails
    related = dict.fromkeys(other for row in rows for other in row.fields.others if other != mail)
    return list(related)[:_MAX_RELATED]
