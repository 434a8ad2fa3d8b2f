"""Accounts: list, show, apply a whole file, close."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from varco_common.base.errors import RefusedCommand
from varco_common.events import TokenRevoked
from varco_common.runtime.auth import AccountScope, Admin, Caller
from varco_common.runtime.passwords import PasswordVerifier
from varco_policy import changes
from varco_policy.account import Account
from varco_policy.api import reading
from varco_policy.api.commands import AccountName, Asked, Commands
from varco_policy.api.models import AccountOut, Changed, Document, Summary
from varco_policy.api.writing import account_out, summary
from varco_policy.changes import Change, Said
from varco_policy.wanted import plan


def router(commands: Commands, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts", tags=["accounts"])

    @api.get("")
    async def list_accounts(token: Caller) -> list[Summary]:
        """All accounts that the token covers."""
        return [summary(account) for account in commands.accounts.all() if token.covers(account.name)]

    @api.get("/{account}")
    async def show_account(account: AccountName, _: AccountScope, response: Response) -> AccountOut:
        """The account as its file would describe it, secrets left out. ETag is its version."""
        version = await commands.accounts.version(account)
        response.headers["ETag"] = f'"{version}"'
        return account_out(commands.existing(account))

    @api.put("/{account}")
    async def apply_account(
        account: AccountName,
        document: Document,
        asked: Asked,
        token: AccountScope,
        dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
    ) -> Changed:
        """Makes the account what the file says; opens it where it isn't there. Applied again, it changes nothing.

        The changes are made one after the other: where one fails, those before it stand, and applying again goes on.
        """
        if document.account not in (None, account):
            raise RefusedCommand(f"the file describes {document.account}, not {account}")
        version = await commands.accounts.version(account)
        held = commands.accounts.get(account)
        if held is None and not token.is_admin:
            raise HTTPException(403, "Only an admin's token may open an account.")
        wanted = await reading.wanted(document, held, verifier, asked.reason, dry_run=dry_run)
        seen = asked if asked.expect is not None else asked._replace(expect=version)
        return await commands.apply(
            account, seen, lambda state, said: plan(state, wanted, said, commands.owners), dry_run=dry_run
        )

    @api.delete("/{account}")
    async def close_account(account: AccountName, asked: Asked, _: Admin) -> Changed:
        """Closes an account, with its logins, senders, networks and tokens. A reason must be given."""
        if not asked.reason.strip():
            raise RefusedCommand("closing an account needs a reason")
        return await commands.change(account, asked, _closing)

    return api


def _closing(account: Account, said: Said) -> list[Change]:
    """Its tokens are revoked first: they would open an account of the same name."""
    revoked = [
        Change("remove", "token", token.id, token.name, said.fact(TokenRevoked, token=token.id))
        for token in account.tokens.values()
    ]
    return [*revoked, changes.close_account(said)]
