"""Routes for an account's link settings: show them, set them as a whole."""

from collections.abc import Callable
from datetime import timedelta

from fastapi import APIRouter, HTTPException

from varco_common.base import subjects
from varco_common.base.errors import NotFound
from varco_common.events import AccountOpened
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.command_api import ChangedOut, Patch, SettingsCommand
from varco_common.runtime.tokens import ApiToken
from varco_filelink.api.schemas import FilelinkSection, LinkDefaultsOut, LinkSettingsOut, desired_after, section
from varco_filelink.commands import DesiredLinkSettings, change_settings
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.permissions import settings_refusal

Desire = Callable[[LinkSettings | None], DesiredLinkSettings | None]


def add_routes(api: APIRouter, accounts: Projection[LinkSettings], default_base_url: str, max_keep: timedelta) -> None:
    executor = CommandExecutor(accounts)

    @api.get("/filelink", summary="What accounts without settings of their own have", tags=["terms"])
    async def show_defaults(_: Caller) -> LinkDefaultsOut:
        return LinkDefaultsOut(links_begin_with=default_base_url)

    @api.get("/accounts/{account}/filelink", summary="Which attachments become links", tags=["terms"])
    async def show(account: str, _: AccountScope) -> LinkSettingsOut:
        version = await accounts.version(account)
        settings = _opened(account, accounts.get(account))
        begin = settings.base_url or default_base_url
        return LinkSettingsOut(account=account, filelink=section(settings), links_begin_with=begin, version=version)

    @api.put("/accounts/{account}/filelink", summary="Choose which, or turn it off", tags=["terms"])
    async def put(account: str, command: SettingsCommand, token: AccountScope, form: FilelinkSection) -> ChangedOut:
        """What is left out has its default.

        An account's own token may turn links off and change them, but not turn them on.
        """
        return await change(account, command, token, lambda _: form.desired() if form else None)

    @api.patch("/accounts/{account}/filelink", summary="Change what the request names", tags=["terms"])
    async def patch(account: str, command: SettingsCommand, token: AccountScope, form: Patch = None) -> ChangedOut:
        """What is left out stays; null removes. `off` alone turns links off."""
        return await change(account, command, token, lambda current: desired_after(current, form))

    async def change(account: str, command: CommandRequest, token: ApiToken, desire: Desire) -> ChangedOut:
        """A dry run works before the account is opened: `varco apply` shows a whole file."""

        def decide(settings: LinkSettings | None, context: CommandContext) -> list[Change]:
            current = settings if command.dry_run else _opened(account, settings)
            desired = desire(current)
            changes = change_settings(current, context, desired)
            if changes and not token.is_admin and (refusal := settings_refusal(current, desired, max_keep)):
                raise HTTPException(403, refusal)
            return changes

        if not command.dry_run:  # policy may have opened the account a moment ago
            await accounts.reach_last(AccountOpened.subject_filter(subjects.token(account)))
        return ChangedOut.of(await executor.execute(account, command, decide))


def _opened(account: str, settings: LinkSettings | None) -> LinkSettings:
    if settings is None:
        raise NotFound(f"no account {account} is known here: open it first")
    return settings
