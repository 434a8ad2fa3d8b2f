"""Replays over HTTP: what goes on for long answers with a JSON object a line, as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from varco_audit.replay import past_settings
from varco_audit.replay.output_lines import FailedLine, OutputLine, encode
from varco_audit.replay.verify import verify
from varco_audit.replay.whatif import WhatIfRun
from varco_common.base import subjects
from varco_common.base.errors import NotFound, RefusedCommand, VarcoError
from varco_common.bus import Bus
from varco_common.events import AccountOpened
from varco_common.runtime.auth import AccountScope, Admin

AccountName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The account's name.")]
Since = Annotated[datetime, Query(description="RFC 3339, with its offset from UTC.")]
Until = Annotated[datetime | None, Query(description="As `since`; now, where it is left out.")]
LINES = "application/x-ndjson"


class WhatIfForm(BaseModel):
    """`sections` of an account file, and the time whose mails are to be decided again. `listed`: each mail, too."""

    sections: dict[str, Any]
    since: datetime
    until: datetime | None = None
    listed: bool = False


class SettingsItemOut(BaseModel):
    """One item of an account's settings. `sequence` is that of the event that made it so; 0: it is as by default."""

    section: str
    key: str
    value: Any
    sequence: int
    at: datetime | None
    by: str
    reason: str
    fact: str


class PastSettingsOut(BaseModel):
    """`missing` has by service why it has told nothing; `unreadable` are events that can't be read."""

    account: str
    sequence: int
    at: datetime
    items: list[SettingsItemOut]
    missing: dict[str, str]
    unreadable: list[int] = Field(default_factory=list)


def router(bus: Bus, voters: Sequence[str]) -> APIRouter:
    """All routes about replays."""
    api = APIRouter(tags=["replay"])

    @api.get("/replay/verify")
    async def verify_all(_: Admin, since: Since, until: Until = None) -> StreamingResponse:
        """Decides all mails of that time again, and tells each vote that comes out otherwise than it is on record."""
        begin, end = _span(since, until)
        return await _streamed(verify(bus, voters, begin, end))

    @api.get("/accounts/{account}/replay/verify")
    async def verify_account(
        account: AccountName, _: AccountScope, since: Since, until: Until = None
    ) -> StreamingResponse:
        """As for all, of one account's mails."""
        begin, end = _span(since, until)
        await _known(bus, account)
        return await _streamed(verify(bus, voters, begin, end, account))

    @api.post("/accounts/{account}/whatif")
    async def whatif(account: AccountName, form: WhatIfForm, _: AccountScope) -> StreamingResponse:
        """Decides the account's mails again as if these sections had held all the time; changes nothing."""
        begin, end = _span(form.since, form.until)
        await _known(bus, account)
        return await _streamed(WhatIfRun(bus, account, form.sections, begin, end, listed=form.listed).run())

    @api.get("/accounts/{account}/state")
    async def state(
        account: AccountName,
        token: AccountScope,
        at: Annotated[datetime | None, Query(description="A time, RFC 3339 with its offset.")] = None,
        sequence: Annotated[int | None, Query(ge=1, description="Or the sequence of an event.")] = None,
    ) -> PastSettingsOut:
        """Senders, rules, quotas, links, copies, route and bans as they were, each with the event that made it so."""
        meant = _utc(at) if at else sequence
        if meant is None or (at and sequence):
            raise RefusedCommand("give a time (at) or a sequence, one of the two")
        await _known(bus, account)
        moment = await past_settings.point_in_time(bus, meant)
        told = await past_settings.settings_at(bus, account, moment, own=not token.is_admin)
        items = [
            SettingsItemOut(**{name: getattr(one, name) for name in SettingsItemOut.model_fields}) for one in told.items
        ]
        return PastSettingsOut(
            account=account,
            sequence=moment.sequence,
            at=moment.at,
            items=items,
            missing=told.missing,
            unreadable=told.unreadable,
        )

    return api


async def _known(bus: Bus, account: str) -> None:
    """Raises NotFound where there never was such an account; one that was closed has its past."""
    if not await bus.events.last_sequence(AccountOpened.subject_filter(subjects.token(account))):
        raise NotFound(f"no such account: {account}")


async def _streamed(lines: AsyncGenerator[OutputLine, None]) -> StreamingResponse:
    """The first line is awaited before the answer begins: what can't begin is a plain error."""
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

    return StreamingResponse(encoded(), media_type=LINES)


def _span(since: datetime, until: datetime | None) -> tuple[datetime, datetime]:
    """UTC. Raises RefusedCommand."""
    begin, end = _utc(since), _utc(until) if until else datetime.now(UTC)
    if begin >= end:
        raise RefusedCommand(f"nothing lies between {begin.isoformat()} and {end.isoformat()}")
    return begin, end


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise RefusedCommand(f"{at.isoformat()}: a time needs its offset from UTC, such as Z or +01:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise RefusedCommand(f"{at.isoformat()}: no calendar has that time in UTC") from None
