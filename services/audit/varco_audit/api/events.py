"""Routes about events: search in pages, fetch one, read or follow as lines of JSON."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse

from varco_audit.api import ndjson
from varco_audit.api.event_models import EventOut, EventPage, IndexOut, json_line
from varco_audit.api.parameters import FACTS, SERVICES, Seconds, check_known
from varco_audit.index.event_index import EventIndex
from varco_audit.index.index_fields import index_row
from varco_audit.recording.mail_recorder import MailRecorder
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventQuery
from varco_audit.trace.timeline import decode_readable
from varco_common.base.errors import NotFound
from varco_common.base.units import MAX_SEQUENCE
from varco_common.events import TokenIssued
from varco_common.events import fact as fact_of
from varco_common.runtime.auth import Admin, Caller, visible_account
from varco_common.runtime.follower_limit import FollowerLimit

Place = Annotated[int, Query(ge=0, le=MAX_SEQUENCE)]


class EventOrder(StrEnum):
    """Which events the first page has."""

    NEWEST = "newest"
    OLDEST = "oldest"


def event_query(token: Caller, query: Annotated[EventQuery, Depends()]) -> EventQuery:
    """Raises 403 if an account's token asks for another account, 422 for what no event can be."""
    check_known("fact", query.facts, FACTS)
    check_known("service", filter(None, [query.service]), SERVICES)
    return query._replace(mail=query.mail.lower(), account=visible_account(token, query.account))


Asked = Annotated[EventQuery, Depends(event_query)]


def router(index: EventIndex, reader: EventReader, recorder: MailRecorder) -> APIRouter:
    """All routes about events."""
    api, followers = APIRouter(tags=["events"]), FollowerLimit()

    @api.get("/index", summary="How far audit is")
    async def progress(_: Admin) -> IndexOut:
        return IndexOut(applied=index.applied, recorded=recorder.recorded)

    @api.get("/events", summary="Search events")
    async def find(
        query: Asked,
        token: Caller,
        *,
        order: EventOrder = EventOrder.NEWEST,
        cursor: Annotated[Place, Query(description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        seconds: Seconds = None,
    ) -> EventPage:
        """Events that match all parameters. An account's token finds its own only."""
        newest_first = order is EventOrder.NEWEST
        raws, following = await reader.page(
            query, cursor=cursor, newest_first=newest_first, limit=limit, seconds=seconds
        )
        return EventPage(events=[EventOut.of(raw, read_only=token.read_only) for raw in raws], next=following)

    @api.get("/events/stream", summary="Read events as lines of JSON", response_class=StreamingResponse)
    async def stream(
        query: Asked,
        token: Caller,
        after: Annotated[Place, Query(description="Only those behind this sequence.")] = 0,
        *,
        follow: Annotated[bool, Query(description="Go on with those to come.")] = False,
    ) -> StreamingResponse:
        """The oldest first, each with sequence, time, subject, and its stored JSON without secrets.

        A token may follow 20 streams at once.
        """
        lines = ndjson.in_chunks(_lines(reader, query, after, follow=follow, read_only=token.read_only))
        if follow:
            return followers.stream(token, lines, ndjson.MEDIA_TYPE)
        return StreamingResponse(lines, media_type=ndjson.MEDIA_TYPE)

    @api.get("/token-names", summary="The names of tokens by their ids, those that were revoked included")
    async def token_names(token: Caller) -> dict[str, str]:
        """Events name who caused them by `token:` and an id. An account's token sees its own."""
        query = EventQuery(service=TokenIssued.SERVICE, facts=(fact_of(TokenIssued),), account=visible_account(token))
        async with aclosing(reader.read(query, after=0, follow=False)) as raws:
            events = [event.event for event in decode_readable([raw async for raw in raws])]
        return {event.token: event.name for event in events if isinstance(event, TokenIssued) and event.name}

    @api.get("/events/{sequence}", summary="One event")
    async def get(sequence: Annotated[int, Path(ge=1, le=MAX_SEQUENCE)], token: Caller) -> EventOut:
        for raw in await reader.fetch([sequence]):
            if token.is_admin or token.scope == index_row(raw).fields.account:
                return EventOut.of(raw, read_only=token.read_only)
        raise NotFound(f"no event {sequence}")

    return api


async def _lines(
    reader: EventReader, query: EventQuery, after: int, *, follow: bool, read_only: bool
) -> AsyncIterator[tuple[bytes, bool]]:
    async with aclosing(reader.read(query, after=after, follow=follow)) as raws:
        async for raw in raws:
            yield json_line(raw, read_only=read_only), not raw.pending
