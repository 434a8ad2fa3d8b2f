"""Events over HTTP: searched in pages, fetched one by one, or read and followed as lines of JSON."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from varco_audit.api.event_models import MAX_SEQUENCE, EventOut, EventPage, IndexOut, json_line, utc
from varco_audit.api.follower_limit import FollowerLimit
from varco_audit.index.event_index import EventIndex
from varco_audit.index.index_fields import index_row
from varco_audit.recording.mail_recorder import MailRecorder
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery, EventSearch
from varco_common.base.errors import NotFound
from varco_common.runtime.auth import Admin, Caller
from varco_common.runtime.tokens import ApiToken

LINES = "application/x-ndjson"

_WORD = r"^[a-z0-9-]{1,64}$"
_LONGEST = 1_000
_LINES_AT_ONCE = 64 * 1024

Text = Annotated[str, Query(max_length=_LONGEST, pattern=r"^[^\x00]*$")]
Time = Annotated[datetime | None, Query(description="RFC 3339; without an offset it is UTC.")]
Place = Annotated[int, Query(ge=0, le=MAX_SEQUENCE)]


class EventOrder(StrEnum):
    """From which end of time pages begin."""

    NEWEST = "newest"
    OLDEST = "oldest"


def event_query(  # noqa: PLR0917 - a question's parameters
    token: Caller,
    mail: Annotated[Text, Query(description="A mail's id, which is its decision's as well.")] = "",
    message_id: Text = "",
    sender: Text = "",
    recipient: Text = "",
    host: Text = "",
    login: Text = "",
    account: Text = "",
    service: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$")] = "",
    fact: Annotated[list[Annotated[str, Query(pattern=_WORD)]] | None, Query(description="Any of these.")] = None,
    since: Time = None,
    until: Time = None,
) -> EventQuery:
    """Raises 403 where an account's token asks for another account; without asking it sees its own."""
    if not token.is_admin and account not in ("", token.scope):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return EventQuery(
        mail=mail.lower(),
        message_id=message_id,
        sender=sender,
        recipient=recipient,
        host=host,
        login=login,
        account=account if token.is_admin else token.scope,
        service=service,
        facts=tuple(fact or ()),
        since=utc(since),
        until=utc(until),
    )


Asked = Annotated[EventQuery, Depends(event_query)]


def router(index: EventIndex, search: EventSearch, reader: EventReader, scribe: MailRecorder) -> APIRouter:
    """All routes about events."""
    api, followers = APIRouter(tags=["events"]), FollowerLimit()

    @api.get("/index", summary="How far audit is")
    async def progress(_: Admin) -> IndexOut:
        return IndexOut(applied=index.applied, recorded=scribe.recorded)

    @api.get("/events", summary="Search events")
    async def find(
        asked: Asked,
        order: EventOrder = EventOrder.NEWEST,
        cursor: Annotated[Place, Query(description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> EventPage:
        """All that is given must hold. An account's token finds the events of its account alone."""
        found = await search.page(asked, cursor=cursor, newest_first=order is EventOrder.NEWEST, limit=limit)
        raws = await reader.fetch([one.sequence for one in found])
        further = found[-1].sequence if len(found) == limit else 0
        return EventPage(events=[EventOut.of(raw) for raw in raws], next=further)

    @api.get("/events/stream", summary="Read events as lines of JSON", response_class=StreamingResponse)
    async def stream(
        asked: Asked,
        token: Caller,
        after: Annotated[Place, Query(description="Only those behind this sequence.")] = 0,
        *,
        follow: Annotated[bool, Query(description="Go on with those to come.")] = False,
    ) -> StreamingResponse:
        """Oldest first, each with sequence, time, subject, and its stored JSON byte for byte (but for secrets).

        A token may follow 20 at once.
        """
        if follow:
            followers.admit(token)
            return followers.stream(token, _lines(reader, asked, after, follow=True), LINES)
        return StreamingResponse(_lines(reader, asked, after, follow=False), media_type=LINES)

    @api.get("/events/{sequence}", summary="One event")
    async def get(sequence: Annotated[int, Path(ge=1, le=MAX_SEQUENCE)], token: Caller) -> EventOut:
        for raw in await reader.fetch([sequence]):
            if _may_see(token, index_row(raw).fields.account):
                return EventOut.of(raw)
        raise NotFound(f"no event {sequence}")

    return api


async def _lines(reader: EventReader, asked: EventQuery, after: int, *, follow: bool) -> AsyncIterator[bytes]:
    """Together while there are many; one by one where a reader waits for each."""
    async with aclosing(reader.read(asked, after=after, follow=follow)) as found:
        kept: list[bytes] = []
        size = 0
        async for raw in found:
            kept.append(json_line(raw))
            size += len(kept[-1])
            if not raw.pending or size > _LINES_AT_ONCE:
                yield b"".join(kept)
                kept, size = [], 0
        yield b"".join(kept)


def _may_see(token: ApiToken, account: str) -> bool:
    return token.is_admin or token.scope == account
