"""Routes about replays. A long answer is a stream of JSON objects, one a line."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from varco_audit.api import ndjson
from varco_audit.changes.account_document import account_document, is_open
from varco_audit.replay.output_lines import FailedLine, OutputLine, encode
from varco_audit.replay.past_settings import point_in_time, settings_at
from varco_audit.replay.replay_turns import ReplayTurns, seconds_for
from varco_audit.replay.verify import verify
from varco_audit.replay.whatif import WhatIfRun
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, NotFound, RefusedCommand, VarcoError
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus import Bus
from varco_common.events import AccountOpened
from varco_common.runtime.auth import READS, AccountScope, Admin
from varco_common.runtime.request_model import AccountName
from varco_common.runtime.tokens import ApiToken

Since = Annotated[datetime, Query(description="RFC 3339, with its offset from UTC.")]
Until = Annotated[datetime | None, Query(description="As `since`; now, where it is left out.")]


class WhatIfForm(BaseModel):
    """`sections` of an account file, and the time whose mails are decided again.

    `listed`: each mail whose outcome changes gets a line. `examples`: the result has the newest of
    them, with both verdicts.
    """

    sections: dict[str, Any]
    since: datetime
    until: datetime | None = None
    listed: bool = False
    examples: int = Field(default=0, ge=0, le=100)


class SettingsItemOut(BaseModel):
    """One item of an account's settings. `sequence` is the event that set it; 0 for a default."""

    model_config = ConfigDict(from_attributes=True)

    section: str
    key: str
    value: Any
    sequence: int
    at: datetime | None
    by: str
    reason: str
    fact: str


class PastSettingsOut(BaseModel):
    """`missing`: services that failed, with the reason; `unreadable`: undecodable events.

    `document` has the items as the sections of an account file; none where the account was not
    open.
    """

    account: str
    sequence: int
    at: datetime
    items: list[SettingsItemOut]
    missing: dict[str, str]
    unreadable: list[int] = []
    document: dict[str, Any] | None = None


def router(bus: Bus, voters: Sequence[str], turns: ReplayTurns) -> APIRouter:
    """All routes about replays."""
    api = APIRouter(tags=["replay"])

    async def streamed(token: ApiToken, lines: AsyncGenerator[OutputLine, None]) -> StreamingResponse:
        return await _streamed(_in_turn(turns, token, lines))

    @api.get("/replay/verify")
    async def verify_all(token: Admin, since: Since, until: Until = None) -> StreamingResponse:
        """Decides all mails of that time again, and shows each vote that differs."""
        begin, end = _span(since, until)
        return await streamed(token, verify(bus, voters, begin, end))

    @api.get("/accounts/{account}/replay/verify")
    async def verify_account(
        account: AccountName, token: AccountScope, since: Since, until: Until = None
    ) -> StreamingResponse:
        """As for all, of one account's mails."""
        begin, end = _span(since, until)
        await _check_account(bus, account)
        return await streamed(token, verify(bus, voters, begin, end, account))

    @api.post("/accounts/{account}/whatif", openapi_extra=READS)
    async def whatif(account: AccountName, form: WhatIfForm, token: AccountScope) -> StreamingResponse:
        """Decides the account's mails again as if these sections had held. Changes nothing."""
        begin, end = _span(form.since, form.until)
        await _check_account(bus, account)
        run = WhatIfRun(bus, account, form.sections, begin, end, listed=form.listed, examples=form.examples)
        return await streamed(token, run.run())

    @api.get("/accounts/{account}/state")
    async def state(
        account: AccountName,
        token: AccountScope,
        at: Annotated[datetime | None, Query(description="A time, RFC 3339 with its offset.")] = None,
        sequence: Annotated[
            int | None, Query(ge=1, le=MAX_SEQUENCE, description="Or the sequence of an event.")
        ] = None,
    ) -> PastSettingsOut:
        """Senders, rules, quotas, links, copies, route and bans at a time, each with its event."""
        when = _utc(at) if at else sequence
        if when is None or (at and sequence):
            raise RefusedCommand("give a time (at) or a sequence, one of the two")
        await _check_account(bus, account)
        point = await point_in_time(bus, when)
        async with turns.turn(token.scope, seconds_for(token)):
            settings = await settings_at(bus, account, point, own=not token.is_admin)
        return PastSettingsOut(
            account=account,
            sequence=point.sequence,
            at=point.at,
            items=[SettingsItemOut.model_validate(item) for item in settings.items],
            missing=settings.missing,
            unreadable=sorted(settings.unreadable),
            document=account_document(settings.items, datetime.now(UTC)) if is_open(settings.items) else None,
        )

    return api


async def _check_account(bus: Bus, account: str) -> None:
    """Raises NotFound if there never was such an account. A closed one has a past."""
    if not await bus.events.last_sequence(AccountOpened.subject_filter(subjects.token(account))):
        raise NotFound(f"no such account: {account}")


async def _in_turn(
    turns: ReplayTurns, token: ApiToken, lines: AsyncGenerator[OutputLine, None]
) -> AsyncGenerator[OutputLine, None]:
    """The lines once it is this replay's turn, until its time is over."""
    seconds = seconds_for(token)
    async with turns.turn(token.scope, seconds), aclosing(lines):
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    line = await anext(lines)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise ConflictError(
                    f"the replay took more than {seconds:.0f} seconds: ask for a shorter time"
                ) from None
            yield line


async def _streamed(lines: AsyncGenerator[OutputLine, None]) -> StreamingResponse:
    """Waits for the first line, so that a replay that can't begin is answered with an error."""
    first = await anext(lines)

    async def encoded() -> AsyncIterator[bytes]:
        try:
            yield encode(first)
            async for line in lines:
                yield encode(line)
        except VarcoError as error:
            yield encode(FailedLine(why=str(error)))
        finally:
            await lines.aclose()

    return StreamingResponse(encoded(), media_type=ndjson.MEDIA_TYPE)


def _span(since: datetime, until: datetime | None) -> tuple[datetime, datetime]:
    """In UTC. Raises RefusedCommand if it is empty."""
    begin, end = _utc(since), _utc(until) if until else datetime.now(UTC)
    if begin >= end:
        raise RefusedCommand(f"nothing lies between {begin.isoformat()} and {end.isoformat()}")
    return begin, end


def _utc(at: datetime) -> datetime:
    """Raises RefusedCommand for a time without an offset."""
    if at.tzinfo is None:
        raise RefusedCommand(f"{at.isoformat()}: a time needs its offset from UTC, such as Z or +01:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise RefusedCommand(f"{at.isoformat()}: no calendar has that time in UTC") from None
