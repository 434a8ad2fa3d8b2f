"""The routes that find mails, and tell what became of one."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel

from varco_audit.api.parameters import Seconds
from varco_audit.search.mail_finder import FindQuery, MailFinder
from varco_audit.trace.model import MailSummary, Trace
from varco_audit.trace.tracer import Tracer
from varco_common.base.timestamps import as_utc
from varco_common.base.units import MAX_SEQUENCE
from varco_common.mail.notice_texts import Language
from varco_common.runtime.auth import Caller, visible_account


class FoundMailsOut(BaseModel):
    """Mails, the newest first. `next` is the cursor of the next page; 0 on the last page."""

    mails: list[MailSummary]
    next: int


def router(tracer: Tracer, finder: MailFinder) -> APIRouter:
    """All routes about mails."""
    api = APIRouter(tags=["traces"])

    @api.get("/mails", summary="Find mails")
    async def find(
        token: Caller,
        query: Annotated[FindQuery, Depends()],
        cursor: Annotated[int, Query(ge=0, le=MAX_SEQUENCE, description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        seconds: Seconds = None,
    ) -> FoundMailsOut:
        """Mails that clients sent and that have all the words. An account's token finds its own."""
        query = query._replace(account=visible_account(token, query.account))
        found = await finder.find(query, cursor=cursor, limit=limit, seconds=seconds)
        return FoundMailsOut(mails=found.mails, next=found.next)

    @api.get("/refusals", summary="Count refused mails by reason")
    async def refusals(
        token: Caller,
        since: Annotated[datetime, AfterValidator(as_utc), Query(description="RFC 3339; without an offset it is UTC.")],
        account: str = "",
    ) -> dict[str, int]:
        """From reply to number, the most frequent first. An account's token counts its own."""
        return await finder.refusals(visible_account(token, account), since)

    @api.get("/traces/{what:path}", summary="What became of a mail")
    async def trace(
        what: Annotated[
            str,
            Path(
                max_length=1_000, description="A mail's id, a Message-ID, a recipient, a sender, or words of a subject."
            ),
        ],
        token: Caller,
        language: Annotated[Language, Query(description="Of the sentences.")] = Language.EN,
    ) -> Trace:
        """The mail's timeline, or the mails that match. An account's token sees its own."""
        return await tracer.trace(what, visible_account(token), language)

    return api
