"""Accounts: list, show, apply a whole file, close."""

from collections.abc import Callable

from fastapi import APIRouter, HTTPException, Response

from varco_common.base.errors import RefusedCommand
from varco_common.eventsourcing.commands import CommandRequest
from varco_common.runtime.auth import AccountScope, Admin, Caller
from varco_common.runtime.command_api import ChangedOut, Command, Patch, SettingsCommand
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.request_model import AccountName
from varco_common.runtime.tokens import ApiToken
from varco_policy import commands
from varco_policy.api.account_patch import patched_document
from varco_policy.api.command_runner import CommandRunner
from varco_policy.api.request_parsing import AccountHashing, parse_document
from varco_policy.api.request_schemas import AccountDocument
from varco_policy.api.response_rendering import account_out, account_summary
from varco_policy.api.response_schemas import AccountOut, AccountSummary
from varco_policy.desired_state import changes_to
from varco_policy.model.account import Account

Describe = Callable[[Account | None], AccountDocument]
"""From the account as it is (None: it is not open) to the document that is asked for."""


def router(runner: CommandRunner, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts", tags=["accounts"])

    @api.get("")
    async def list_accounts(token: Caller) -> list[AccountSummary]:
        """All accounts that the token covers."""
        return [account_summary(account) for account in runner.accounts.all() if token.covers(account.name)]

    @api.get("/{account}")
    async def show_account(account: AccountName, _: AccountScope, response: Response) -> AccountOut:
        """The account as its file would describe it, without secrets. ETag is its version."""
        version = await runner.accounts.projection.version(account)
        response.headers["ETag"] = f'"{version}"'
        return account_out(runner.existing(account))

    @api.put("/{account}")
    async def apply_account(
        account: AccountName, document: AccountDocument, command: SettingsCommand, token: AccountScope
    ) -> ChangedOut:
        """Makes each section that is there what the document says; opens the account.

        Applied again, it changes nothing.
        """
        return await apply(account, lambda _: document, command, token)

    @api.patch("/{account}")
    async def patch_account(
        account: AccountName, command: SettingsCommand, token: AccountScope, document: Patch = None
    ) -> ChangedOut:
        """What an account file does: what is left out stays, null or `off` removes.

        A list is the whole list. Opens the account if it does not exist.
        """
        patch = {} if document is None else document
        return await apply(account, lambda current: patched_document(patch, current), command, token)

    async def apply(account: str, describe: Describe, command: CommandRequest, token: ApiToken) -> ChangedOut:
        hashing = AccountHashing.of(verifier, account, token, dry_run=command.dry_run)
        return await _apply(runner, account, describe, command, hashing)

    @api.delete("/{account}")
    async def close_account(account: AccountName, command: Command, _: Admin) -> ChangedOut:
        """Closes an account, with its logins, senders, networks and tokens.

        A reason must be given.
        """
        if not command.reason.strip():
            raise RefusedCommand("closing an account needs a reason")
        return await runner.change(account, command, commands.close_account)

    return api


async def _apply(
    runner: CommandRunner, account: str, describe: Describe, command: CommandRequest, hashing: AccountHashing
) -> ChangedOut:
    version = await runner.accounts.projection.version(account)
    current = runner.accounts.get(account)
    document = describe(current)
    if document.account not in (None, account):
        raise RefusedCommand(f"the file describes {document.account}, not {account}")
    if current is None and not command.is_admin:
        raise HTTPException(403, "Only an admin's token may open an account.")
    desired = await parse_document(document, current, hashing, command.reason)
    if command.expected_version is None:  # the document was compared with this version
        command = command._replace(expected_version=version)
    return await runner.apply(
        account, command, lambda state, context: changes_to(desired, state, context, runner.owners)
    )
