"""Bearer tokens: issue, list, revoke.

Only an admin issues them; an account's tokens may list and revoke each other.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from varco_common.base.errors import RefusedCommand
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Admin
from varco_common.runtime.command_api import ChangedOut, Command
from varco_common.runtime.request_model import AccountName
from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import ADMIN, ApiToken
from varco_policy import commands
from varco_policy.admin_tokens import revoke_admin_token
from varco_policy.api.command_runner import CommandRunner
from varco_policy.api.request_schemas import TokenForm
from varco_policy.api.response_schemas import IssuedTokenOut, TokenOut
from varco_policy.model.admin_tokens import AdminTokens

Unlisted = Annotated[
    bool, Query(description="Revoke it even if it is not listed, as the first admin token and those of a lost file.")
]


def router(runner: CommandRunner, admins: Projection[AdminTokens], signer: TokenSigner) -> APIRouter:
    api = APIRouter(tags=["tokens"])
    admin_executor = CommandExecutor(admins)

    @api.get("/accounts/{account}/tokens")
    async def list_account_tokens(account: AccountName, _: AccountScope) -> list[TokenOut]:
        """The account's tokens that are not revoked."""
        return [*map(TokenOut.model_validate, runner.existing(account).tokens.values())]

    @api.post("/accounts/{account}/tokens", status_code=201)
    async def issue_account_token(account: AccountName, form: TokenForm, command: Command, _: Admin) -> IssuedTokenOut:
        """A token that sees and changes only this account. It is shown this once."""
        runner.existing(account)
        token, text = _mint(signer, account, form)
        await runner.change(account, command, lambda _, context: _issued(context, token, form.name))
        return IssuedTokenOut(id=token.id, name=form.name, token=text)

    @api.delete("/accounts/{account}/tokens/{token}")
    async def revoke_account_token(account: AccountName, token: str, command: Command, _: AccountScope) -> ChangedOut:
        """The token is no longer valid."""
        return await runner.change(
            account, command, lambda state, context: commands.revoke_token(state, context, token)
        )

    @api.get("/tokens")
    async def list_admin_tokens(_: Admin) -> list[TokenOut]:
        """The admin tokens that are not revoked.

        The first one, which was made with the key, is not listed.
        """
        state = admins.get(ADMIN)
        return [*map(TokenOut.model_validate, state.tokens.values())] if state else []

    @api.post("/tokens", status_code=201)
    async def issue_admin_token(form: TokenForm, command: Command, _: Admin) -> IssuedTokenOut:
        """A token for everything. It is shown this once."""
        token, text = _mint(signer, ADMIN, form)
        await admin_executor.execute(ADMIN, command, lambda _, context: _issued(context, token, form.name))
        return IssuedTokenOut(id=token.id, name=form.name, token=text)

    @api.delete("/tokens/{token}", status_code=204)
    async def revoke_any_token(token: str, command: Command, admin: Admin, *, unlisted: Unlisted = False) -> None:
        """The token, of an admin or of an account, is no longer valid."""
        if account := runner.accounts.token_owner(token):
            await runner.change(account, command, lambda state, context: commands.revoke_token(state, context, token))
            return
        unlisted = unlisted or token == admin.id
        await admin_executor.execute(
            ADMIN,
            command,
            lambda state, context: revoke_admin_token(state, context, token, unlisted=unlisted),
        )

    return api


def _mint(signer: TokenSigner, scope: str, form: TokenForm) -> tuple[ApiToken, str]:
    """Raises RefusedCommand for an end that is over, or behind the year 9999 in UTC."""
    if form.until is None:
        return signer.mint_admin() if scope == ADMIN else signer.mint(scope)
    try:
        until = form.until.astimezone(UTC)
    except OverflowError:
        raise RefusedCommand(f"until {form.until.isoformat()}: expected a time before the year 10000 in UTC") from None
    if until <= datetime.now(UTC):
        raise RefusedCommand(f"until {form.until.isoformat()}: expected a time to come")
    return signer.mint_limited(scope, until=int(until.timestamp()))


def _issued(context: CommandContext, token: ApiToken, name: str) -> list[Change]:
    until = datetime.fromtimestamp(token.until, UTC) if token.until else None
    return commands.issue_token(context, token.id, name, until)
