"""Accounts: list, show, apply a whole file, close."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from varco_common.base.errors import RefusedCommand
from varco_common.events import TokenRevoked
from varco_common.runtime.auth import AccountScope, Admin, Caller
from varco_common.runtime.passwords import PasswordVerifier
from varco_policy import commands
from varco_policy.api import request_parsing
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner
from varco_policy.api.response_rendering import account_out, summary
from varco_policy.api.schemas import AccountDocument, AccountOut, AccountSummary, ChangesOut
from varco_policy.commands import Change, Said
from varco_policy.desired_state import plan
from varco_policy.model import Account


def router(runner: CommandRunner, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts", tags=["accounts"])

    @api.get("")
    async def list_accounts(token: Caller) -> list[AccountSummary]:
        """All accounts that the token covers."""
        return [summary(account) for account in runner.accounts.all() if token.covers(account.name)]

    @api.get("/{account}")
    async def show_account(account: AccountName, _: AccountScope, response: Response) -> AccountOut:
        """The account as its file would describe it, secrets left out. ETag is its version."""
        version = await runner.accounts.version(account)
        response.headers["ETag"] = f'"{version}"'
        return account_out(runner.existing(account))

    @api.put("/{account}")
    async def apply_account(
        account: AccountName,
        document: AccountDocument,
        asked: Asked,
        token: AccountScope,
        dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
    ) -> ChangesOut:
        """Makes the account what the file says; opens it where it isn't there. Applied again, it changes nothing.

        The changes are made one after the other: where one fails, those before it stand, and applying again goes on.
        """
        if document.account not in (None, account):
            raise RefusedCommand(f"the file describes {document.account}, not {account}")
        version = await runner.accounts.version(account)
        held = runner.accounts.get(account)
        if held is None and not token.is_admin:
            raise HTTPException(403, "Only an admin's token may open an account.")
        wanted = await request_parsing.wanted(document, held, verifier, asked.reason, dry_run=dry_run)
        seen = asked if asked.expect is not None else asked._replace(expect=version)
        return await runner.apply(
            account, seen, lambda state, said: plan(state, wanted, said, runner.owners), dry_run=dry_run
        )

    @api.delete("/{account}")
    async def close_account(account: AccountName, asked: Asked, _: Admin) -> ChangesOut:
        """Closes an account, with its logins, senders, networks and tokens. A reason must be given."""
        if not asked.reason.strip():
            raise RefusedCommand("closing an account needs a reason")
        return await runner.change(account, asked, _closing)

    return api


def _closing(account: Account, said: Said) -> list[Change]:
    """Its tokens are revoked first: they would open an account of the same name."""
    revoked = [
        Change("remove", "token", token.id, token.name, said.fact(TokenRevoked, token=token.id))
        for token in account.tokens.values()
    ]
    return [*revoked, commands.close_account(said)]
