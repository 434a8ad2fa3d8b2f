"""Routes for the copies in a mailbox: search, fetch, remove, note an export."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from varco_archive.api.schemas import CopyOut, CopyPage
from varco_archive.copy_index import CopyQuery, Time
from varco_archive.copy_reader import unstuffed
from varco_archive.copy_service import CopyService
from varco_common.base.errors import NotFound, PoisonError
from varco_common.base.units import MAX_SEQUENCE
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.command_api import Command, ReasonedCommand
from varco_common.runtime.request_model import AccountName

MailId = Annotated[str, Path(pattern=r"^[0-9a-z]{20}$", description="The mail's id.")]


def add_routes(api: APIRouter, service: CopyService) -> None:
    @api.get("/accounts/{account}/archive/copies", summary="Copies in the mailbox, oldest first")
    async def search(
        account: AccountName,
        _: AccountScope,
        criteria: Annotated[CopyQuery, Depends()],
        cursor: Annotated[int, Query(ge=0, le=MAX_SEQUENCE, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> CopyPage:
        """By parts of addresses and of the subject, in any case; by arrival in [since, until)."""
        copies = await service.mailboxes.index.search(account, criteria, after=cursor, limit=limit)
        cursor = copies[-1].id if len(copies) == limit else 0
        return CopyPage(copies=[CopyOut.of(copy) for copy in copies], next=cursor)

    @api.post("/accounts/{account}/archive/export", summary="Note that copies are taken out", status_code=204)
    async def export(
        account: AccountName, command: Command, _: AccountScope, since: Time = None, until: Time = None
    ) -> None:
        """To be called before an export, so that an event says who took out what.

        Without `since` the export begins with the oldest copy, without `until` it ends now.
        """
        await service.note_export(account, command.by, command.reason, since, until or datetime.now(UTC))

    @api.get("/accounts/{account}/archive/copies/{mail}", summary="A copy's text", response_class=StreamingResponse)
    async def fetch(account: AccountName, mail: MailId, token: AccountScope) -> StreamingResponse:
        """The mail as a client would get it, envelope fields included, as message/rfc822.

        Not for a token for reading alone (403): it can't note an export either, and the text may
        have addresses of files in it.
        """
        if token.read_only:
            raise HTTPException(403, "A token for reading alone may list copies, but not have their text.")
        copy = await service.mailboxes.index.get(account, mail)
        if not copy:
            raise NotFound(f"no copy of mail {mail} is in the mailbox")
        text = unstuffed(service.mailboxes.bodies.read(copy.sequence))
        try:
            first = await anext(text)  # before the response begins, so that a missing mail is a 404
        except PoisonError as error:
            raise NotFound(f"the time of mail {mail} is over") from error
        return StreamingResponse(_chain(first, text), media_type="message/rfc822")

    @api.delete("/accounts/{account}/archive/copies/{mail}", summary="Remove a copy", status_code=204)
    async def remove(account: AccountName, mail: MailId, command: ReasonedCommand, _: AccountScope) -> None:
        await service.remove(account, mail, command.by, command.reason)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
