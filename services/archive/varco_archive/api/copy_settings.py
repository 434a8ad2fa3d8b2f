"""Routes for an account's copy settings: list, show, set as a whole, status of the mailbox."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import TypeAdapter

from varco_archive.api.schemas import (
    ArchiveIn,
    ArchiveOut,
    ArchiveSection,
    StatusOut,
    document,
    section,
)
from varco_archive.commands import STATEMENT_REQUIRED, DesiredCopies, describe
from varco_archive.copy_service import CopyService
from varco_archive.model import CopySettings
from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.base.merge_patch import is_off, merged
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.command_api import ChangedOut, Patch, SettingsCommand
from varco_common.runtime.documents import parsed
from varco_common.runtime.passwords import good_argon2
from varco_common.runtime.request_model import AccountName

_FORM: TypeAdapter[ArchiveIn] = TypeAdapter(ArchiveIn)
_SHORT = {"forward": "to"}  # `forward: boss@acme.example`


def add_routes(api: APIRouter, service: CopyService) -> None:
    accounts = service.mailboxes.accounts

    @api.get("/archive", summary="Every account whose mail is copied")
    async def list_all(token: Caller) -> list[StatusOut]:
        return [await _status(service, settings) for settings in accounts.active() if token.covers(settings.account)]

    @api.get("/accounts/{account}/archive", summary="How an account's mail is copied")
    async def show(account: AccountName, _: AccountScope) -> ArchiveOut:
        version = await accounts.version(account)
        settings = accounts.settings_of(account)
        return ArchiveOut(account=account, archive=section(settings), told=settings.statement, version=version)

    @api.put("/accounts/{account}/archive", summary="Set it, as a whole")
    async def put(
        account: AccountName, command: SettingsCommand, _: AccountScope, form: Annotated[ArchiveSection, Body()] = None
    ) -> ChangedOut:
        """`false`, `null` or an empty section turns all copies off, and empties the mailbox."""
        desired = await _desired(service, accounts.settings_of(account), form)
        return ChangedOut.of(await service.change(account, command, desired))

    @api.patch("/accounts/{account}/archive", summary="Change what the request names")
    async def patch(account: AccountName, command: SettingsCommand, _: AccountScope, form: Patch = None) -> ChangedOut:
        """What is left out stays; null or `off` removes. `off` alone turns all copies off."""
        current = accounts.settings_of(account)
        desired = await _desired(service, current, _patched(current, form))
        return ChangedOut.of(await service.change(account, command, desired))

    @api.get("/accounts/{account}/archive/status", summary="What is in its mailbox")
    async def status(account: AccountName, _: AccountScope) -> StatusOut:
        return await _status(service, accounts.settings_of(account))


def _patched(current: CopySettings, patch: Any) -> ArchiveIn | None:
    """The whole section after a patch. Raises RequestValidationError, RefusedCommand."""
    if is_off(patch):
        return None
    if current.active and isinstance(patch, dict) and is_off(patch.get("senders_told", "")):
        raise RefusedCommand(STATEMENT_REQUIRED)
    return parsed(_FORM, merged(document(current), patch, _SHORT))


async def _desired(service: CopyService, current: CopySettings, form: ArchiveIn | None) -> DesiredCopies:
    """The section with its password hashed. Raises RefusedCommand."""
    if not form:
        return DesiredCopies(keep_seconds=current.keep_seconds, source=current.source)
    if form.keep > service.max_keep:
        limit = units.format_duration(service.max_keep)
        raise RefusedCommand(f"keep: stream MAIL itself keeps mail for {limit} (VARCO_NATS_MAIL_DAYS), no copy longer")
    return DesiredCopies(
        login=form.pop3.login if form.pop3 else "",
        hash=await _password_hash(service, current, form),
        target=form.forward.target if form.forward else None,
        keep_seconds=round(form.keep.total_seconds()),
        statement=form.senders_told.strip(),
        source=form.copy_,
    )


async def _password_hash(service: CopyService, current: CopySettings, form: ArchiveIn) -> str | None:
    """None keeps the password. The current password keeps its hash, so nothing changes."""
    pop3 = form.pop3
    if pop3 and pop3.password:
        password = pop3.password.get_secret_value()
        same = current.login == pop3.login and await service.mailboxes.passwords.verify(current.hash, password)
        return current.hash if same else await service.mailboxes.passwords.make(password)
    if pop3 and pop3.password_hash:
        digest = pop3.password_hash.get_secret_value()
        if not good_argon2(digest):
            raise RefusedCommand("not an argon2 hash in PHC form ($argon2id$...) that costs little enough to verify")
        return digest
    return None


async def _status(service: CopyService, settings: CopySettings) -> StatusOut:
    index = service.mailboxes.index
    totals, oldest = await index.totals(settings.account), await index.oldest(settings.account)
    return StatusOut(
        account=settings.account,
        login=settings.login,
        forward=describe(settings.target) if settings.target else "",
        keep=units.format_duration(timedelta(seconds=settings.keep_seconds)),
        copies=totals.copies,
        octets=totals.octets,
        oldest=datetime.fromtimestamp(oldest / 1000, UTC) if oldest else None,
        collected=await index.collected(settings.account),
        in_session=service.mailboxes.locks.holder(settings.account) is not None,
    )
