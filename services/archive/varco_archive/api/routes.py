"""archive's HTTP API: how an account's mail is copied, and its copies. An account's token sees and changes that account alone."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Body, Depends, Header, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from varco_archive import normalization
from varco_archive.api import schemas
from varco_archive.api.schemas import ArchiveOut, Changed, ChangeOut, CopyOut, CopyPage, SendersToldOut, StatusOut
from varco_archive.body_reader import unstuffed
from varco_archive.commands import Change, CommandOrigin, DesiredCopies, changes, describe
from varco_archive.copy_index import CopyQuery
from varco_archive.copy_service import CopyService
from varco_archive.model import CopySettings
from varco_common.base import units
from varco_common.base.errors import NotFound, PoisonError, RefusedCommand
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.passwords import good_argon2
from varco_common.runtime.tokens import ApiToken

AccountName = Annotated[str, Path(pattern=normalization.ACCOUNT, description="The account's name.")]
MailId = Annotated[str, Path(pattern=r"^[0-9a-z]{20}$", description="The mail's id.")]
Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]
NeededReason = Annotated[str, Query(min_length=3, max_length=1_000, description="Why; it goes into the event.")]
DryRun = Annotated[bool, Query(description="Only say what would change.")]
Time = Annotated[datetime | None, Query(description="RFC 3339, with its offset from UTC.")]


class Call(NamedTuple):
    """Who asks, and which version they have seen (None: whichever it is)."""

    by: str
    expect: int | None


def _call(
    token: Caller,
    if_match: Annotated[str | None, Header(description="The version that the change is made for; else 409.")] = None,
) -> Call:
    if if_match in (None, "*"):
        return Call(_by(token), None)
    version = re.fullmatch(r'"?(\d{1,18})"?', if_match or "")  # RFC 9110 13.1.1
    if not version:
        raise HTTPException(422, 'If-Match is a version in quotes, as ETag has it: "123"')
    return Call(_by(token), int(version[1]))


Asked = Annotated[Call, Depends(_call)]


def router(desk: CopyService) -> APIRouter:
    """All routes of the service."""
    api = APIRouter(tags=["archive"])
    _settings(api, desk)
    _copies(api, desk)
    return api


def _settings(api: APIRouter, desk: CopyService) -> None:
    @api.get("/archive", summary="Every account whose mail is copied")
    async def list_all(token: Caller) -> list[StatusOut]:
        return [await _status(desk, state) for state in desk.accounts.on() if token.covers(state.account)]

    @api.get("/accounts/{account}/archive", summary="How an account's mail is copied")
    async def show(account: AccountName, _: AccountScope) -> ArchiveOut:
        state = desk.accounts.held(account)
        told = (
            SendersToldOut(statement=state.told.statement, by=state.told.by, at=state.told.at) if state.told else None
        )
        version = await desk.accounts.version(account)
        return ArchiveOut(account=account, archive=schemas.section(state), told=told, version=version)

    @api.put("/accounts/{account}/archive", summary="Set it, as a whole")
    async def put(
        account: AccountName,
        asked: Asked,
        _: AccountScope,
        wanted: Annotated[schemas.ArchiveSection, Body()] = None,
        reason: Reason = "",
        *,
        dry_run: DryRun = False,
    ) -> Changed:
        """`false`, `null` or an empty section turns all copies off, and empties the mailbox."""
        wish = await _wish(desk, account, wanted)

        def plan(state: CopySettings, at: datetime) -> list[Change]:
            return changes(state, CommandOrigin(account, at, asked.by, reason), wish, desk.accounts.owner)

        made = await desk.change(account, asked.expect, plan, dry_run=dry_run)
        return await _changed(desk, account, made, applied=not dry_run)

    @api.get("/accounts/{account}/archive/status", summary="What is in its mailbox")
    async def status(account: AccountName, _: AccountScope) -> StatusOut:
        return await _status(desk, desk.accounts.held(account))


def _copies(api: APIRouter, desk: CopyService) -> None:
    @api.get("/accounts/{account}/archive/copies", summary="Copies in the mailbox, oldest first")
    async def search(  # noqa: PLR0917 - a question's parameters
        account: AccountName,
        _: AccountScope,
        sender: str = "",
        recipient: str = "",
        subject: str = "",
        since: Time = None,
        until: Time = None,
        cursor: Annotated[int, Query(ge=0, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> CopyPage:
        """By parts of addresses and of the subject, in any case, and by time of arrival: [since, until)."""
        wanted = CopyQuery(sender, recipient, subject, _utc(since), _utc(until))
        found = await desk.index.search(account, wanted, after=cursor, limit=limit)
        return CopyPage(copies=[CopyOut.of(one) for one in found], next=found[-1].id if len(found) == limit else 0)

    @api.post("/accounts/{account}/archive/export", summary="Note that copies are taken out", status_code=204)
    async def export(
        account: AccountName, token: AccountScope, since: Time = None, until: Time = None, reason: Reason = ""
    ) -> None:
        """To be called before an export; it goes into the events who took out what."""
        last = _utc(until) or datetime.now(UTC)
        await desk.exported(account, _by(token), reason, _utc(since) or last - timedelta(days=366), last)

    @api.get("/accounts/{account}/archive/copies/{mail}", summary="A copy's text", response_class=StreamingResponse)
    async def fetch(account: AccountName, mail: MailId, _: AccountScope) -> StreamingResponse:
        """The mail as a client would get it, envelope fields included, as message/rfc822."""
        found = await desk.index.get(account, mail)
        if not found:
            raise NotFound(f"no copy of mail {mail} is in the mailbox")
        text = unstuffed(desk.bodies.read(found.sequence))
        try:
            first = await anext(text)
        except PoisonError as error:  # a 404, not half an answer
            raise NotFound(f"the time of mail {mail} is over") from error
        return StreamingResponse(_behind(first, text), media_type="message/rfc822")

    @api.delete("/accounts/{account}/archive/copies/{mail}", summary="Remove a copy", status_code=204)
    async def remove(account: AccountName, mail: MailId, token: AccountScope, reason: NeededReason) -> None:
        await desk.remove(account, mail, _by(token), reason)


async def _wish(desk: CopyService, account: str, wanted: schemas.ArchiveIn | None) -> DesiredCopies:
    """What is asked for, with the password hashed. The same password again keeps its hash."""
    if not wanted:
        held = desk.accounts.held(account)
        return DesiredCopies(keep_seconds=held.keep_seconds, source=held.source)
    if wanted.keep > desk.longest:
        most = units.format_duration(desk.longest)
        raise RefusedCommand(f"keep: stream MAIL itself keeps mail for {most} (VARCO_NATS_MAIL_DAYS), no copy longer")
    digest: str | None = None
    if (pop3 := wanted.pop3) and pop3.password:
        password = pop3.password.get_secret_value()
        held = desk.accounts.held(account)
        same = held.login == pop3.login and await desk.passwords.verify(held.hash, password)
        digest = held.hash if same else await desk.passwords.make(password)
    elif pop3 and pop3.password_hash:
        digest = pop3.password_hash.get_secret_value()
        if not good_argon2(digest):
            raise RefusedCommand("not an argon2 hash in PHC form ($argon2id$...) that costs little enough to verify")
    return DesiredCopies(
        login=wanted.pop3.login if wanted.pop3 else "",
        hash=digest,
        target=wanted.forward.target if wanted.forward else None,
        keep_seconds=round(wanted.keep.total_seconds()),
        told=wanted.senders_told.strip(),
        source=wanted.copy_,
    )


async def _changed(desk: CopyService, account: str, made: list[Change], *, applied: bool) -> Changed:
    shown = [ChangeOut.of(one) for one in made]
    return Changed(account=account, applied=applied, version=await desk.accounts.version(account), changes=shown)


async def _status(desk: CopyService, state: CopySettings) -> StatusOut:
    drop, oldest = await desk.index.drop(state.account), await desk.index.oldest(state.account)
    return StatusOut(
        account=state.account,
        login=state.login,
        forward=describe(state.target) if state.target else "",
        keep=units.format_duration(timedelta(seconds=state.keep_seconds)),
        copies=drop.copies,
        octets=drop.octets,
        oldest=datetime.fromtimestamp(oldest / 1000, UTC) if oldest else None,
        in_session=desk.drops.holder(state.account) is not None,
    )


async def _behind(first: bytes, text: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in text:
        yield piece


def _by(token: ApiToken) -> str:
    return f"token:{token.id}"


def _utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
