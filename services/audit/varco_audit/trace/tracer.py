"""Finds the events of a mail, by whatever is known of it."""

import re
from collections.abc import Iterable

from varco_audit.index.index_fields import bare_message_id, index_row
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_audit.trace.model import MailSummary, MailTimeline, Trace
from varco_audit.trace.timeline import OWN, SequencedEvent, decode_readable, summary_of, timeline_of
from varco_common.base.errors import NotFound
from varco_common.base.ids import ALPHABET, LENGTH
from varco_common.bus import RawEvent
from varco_common.events import CopyRemoved, MailRecorded

BALLOTS = ("mail-recorded", "mail-refused", "recipient-refused")

_ID = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}", re.ASCII)
_MOST_EVENTS = 2_000  # of one mail: a list's mail has as many outcomes as it has recipients
_MOST_RELATED = 100
_MOST_MAILS = 50


class Tracer:
    """Stories and lists of mails; of one account's alone where `account` is given."""

    def __init__(self, search: EventSearch, reader: EventReader) -> None:
        self._search = search
        self._reader = reader

    async def trace(self, what: str, account: str) -> Trace:
        """By mail id (which is the decision's), Message-ID, recipient or sender. Raises NotFound, and says what to do."""
        if not bare_message_id(what):
            raise NotFound("nothing was asked for: give a mail's id, its Message-ID, a recipient or a sender")
        mail = (
            bare_message_id(what).partition("@")[0].lower()
        )  # the gate makes a missing Message-ID of the mail's own id
        if _ID.fullmatch(mail) and (raws := await self._about(mail, account)):
            return await self._told("mail", mail, raws, account)
        for asked, wanted in (
            ("message_id", EventQuery(message_id=what, account=account, facts=BALLOTS)),
            ("recipient", EventQuery(recipient=what, account=account, facts=BALLOTS)),
            ("sender", EventQuery(sender=what, account=account, facts=BALLOTS)),
        ):
            mails, more = await self._mails(wanted)
            if len(mails) == 1 and not more:
                mail = mails[0].mail
                return await self._told(asked, mail, await self._about(mail, account), account)
            if mails:
                return Trace(asked, None, mails, more)
        raise NotFound(f"nothing is known of {what}: give a mail's id, its Message-ID, a recipient or a sender")

    async def _mails(self, wanted: EventQuery) -> tuple[list[MailSummary], bool]:
        """Newest first, each mail once: as its client gave it, where that is among them."""
        found = await self._search.page(wanted, cursor=0, newest_first=True, limit=_MOST_MAILS)
        mails: dict[str, MailSummary] = {}
        for one in decode_readable(await self._reader.fetch([one.sequence for one in found])):
            ballot = summary_of(one.event)
            if ballot and (ballot.kind in OWN or ballot.mail not in mails):
                mails[ballot.mail] = ballot
        return list(mails.values()), len(found) == _MOST_MAILS

    async def _told(self, asked: str, mail: str, raws: list[RawEvent], account: str) -> Trace:
        return Trace(asked, await self._story(mail, raws, account), more=len(raws) >= _MOST_EVENTS)

    async def _story(self, mail: str, raws: list[RawEvent], account: str) -> MailTimeline:
        """Of a notification or a copy: the story of the mail that it came of, in which it is told."""
        told = list(decode_readable(raws))
        if (original := _original(mail, told)) and (of_original := await self._about(original, account)):
            mail, raws = original, of_original
        for other in _related(mail, raws):
            raws += await self._about(other, account)
        return timeline_of(mail, decode_readable({raw.sequence: raw for raw in raws}.values()))

    async def _about(self, mail: str, account: str) -> list[RawEvent]:
        wanted = EventQuery(mail=mail, account=account)
        found = await self._search.page(wanted, cursor=0, newest_first=False, limit=_MOST_EVENTS)
        return await self._reader.fetch([one.sequence for one in found])


def _original(mail: str, told: list[SequencedEvent]) -> str:
    """The mail that a notification or a copy came of; empty for a mail that a client gave."""
    own = any(
        isinstance(one.event, MailRecorded) and one.event.record.envelope.id == mail and one.event.kind in OWN
        for one in told
    )
    others = (getattr(one.event, "mail", "") for one in told if not isinstance(one.event, CopyRemoved))
    return "" if own else next((other for other in others if other and other != mail), "")


def _related(mail: str, raws: Iterable[RawEvent]) -> list[str]:
    """Ids of notifications, copies and links that came of it."""
    several = {raw.sequence for raw in raws if index_row(raw).fact == "copy-removed"}
    ids = [other for raw in raws if raw.sequence not in several for other in index_row(raw).fields.others]
    return [one for one in dict.fromkeys(ids) if one != mail][:_MOST_RELATED]
