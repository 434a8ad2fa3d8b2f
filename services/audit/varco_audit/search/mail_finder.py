"""Finds mails by anything that is known of them, and filters them by time, account and outcome."""

import asyncio
import re
from datetime import datetime
from enum import StrEnum
from time import monotonic
from typing import Annotated, NamedTuple

from fastapi import Query
from pydantic import AfterValidator

from varco_audit.index.mail_texts import MailTexts, TextKind
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_audit.search.in_time import InTime
from varco_audit.trace.model import MailSummary
from varco_audit.trace.timeline import decode_readable, summary_of
from varco_common.base.ids import ALPHABET, LENGTH
from varco_common.base.timestamps import as_utc
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus import StreamMessage
from varco_common.events import MailRecorded, MailRefused, fact

DECISIONS = tuple(fact(kind) for kind in (MailRecorded, MailRefused))
_MAIL_ID = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}", re.ASCII)
_EVENTS_OF_A_MAIL = 5


class Outcome(StrEnum):
    """What became of a mail. One mail may have several."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


class FindQuery(NamedTuple):
    """What to search for, as the API takes it; an empty field matches all.

    `since` <= time in the stream < `until`.
    """

    what: Annotated[
        str,
        Query(
            max_length=1_000,
            description="A mail's id, or words: parts of addresses, of the subject, of a Message-ID, of file names, of a "
            "host or of an answer.",
        ),
    ] = ""
    account: str = ""
    outcome: Outcome | None = None
    since: Annotated[datetime | None, AfterValidator(as_utc)] = None
    until: Annotated[datetime | None, AfterValidator(as_utc)] = None


class FoundMails(NamedTuple):
    """Each mail once, the newest first. `next` is the cursor of the next page; 0 on the last."""

    mails: list[MailSummary]
    next: int


class MailFinder:
    """Raises TransientError while the database is away."""

    def __init__(self, reader: EventReader, search: EventSearch, texts: MailTexts) -> None:
        self._reader, self._search, self._texts = reader, search, texts

    async def find(self, query: FindQuery, *, cursor: int, limit: int, seconds: float | None = None) -> FoundMails:
        """`cursor` is `next` of the page before, or 0. After `seconds` the page ends early."""
        began, mail = monotonic(), query.what.strip().strip("<>").partition("@")[0].lower()
        if _MAIL_ID.fullmatch(mail) and (summary := await self._decision(mail, query.account)):
            return FoundMails([summary], 0)
        kinds = [TextKind[query.outcome.name]] if query.outcome else []
        first = await self._search.first_at(query.since) if query.since else 0
        last = await self._search.first_at(query.until) if query.until else MAX_SEQUENCE
        rows = await self._texts.search(
            query.what, query.account, kinds, first=first, last=min(last, cursor or last), limit=limit
        )
        found: dict[str, MailSummary | None] = {}
        for part in (in_time := InTime(rows, seconds, began)):
            mails = dict.fromkeys(mail for _, mail in part if mail not in found)
            decisions = await asyncio.gather(*(self._decision(mail, query.account) for mail in mails))
            found |= zip(mails, decisions, strict=True)
        following = rows[in_time.taken - 1][0] if in_time.is_cut or len(rows) == limit else 0
        return FoundMails([summary for summary in found.values() if summary], following)

    async def refusals(self, account: str, since: datetime) -> dict[str, int]:
        """How many mails were refused since then, by reply."""
        return await self._texts.refusals(account, await self._search.first_at(since))

    async def _decision(self, mail: str, account: str) -> MailSummary | None:
        """A converted mail has two records: the first is what the client sent."""
        query = EventQuery(mail=mail, account=account, facts=DECISIONS)
        raws, _ = await self._reader.page(query, limit=_EVENTS_OF_A_MAIL)
        return next(iter(_summaries(mail, raws)), None)


def _summaries(mail: str, raws: list[StreamMessage]) -> list[MailSummary]:
    summaries = (summary_of(event) for _, event in decode_readable(raws))
    return [summary for summary in summaries if summary and summary.mail == mail]
