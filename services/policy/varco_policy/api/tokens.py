"""Bearer tokens: issue, list, revoke. Only admins issue them; an account's own tokens may list and revoke each other."""

from fastapi import APIRouter

from varco_common.base.errors import NotFound
from varco_common.events import TokenIssued, TokenRevoked
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Admin
from varco_common.runtime.tokens import ADMIN, Keyring
from varco_policy.admin_tokens import AdminTokens
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner
from varco_policy.api.schemas import ChangesOut, TokenForm, TokenIssuedOut, TokenOut
from varco_policy.commands import Change, Said
from varco_policy.model import Account, IssuedToken


def router(runner: CommandRunner, admins: Projection[AdminTokens], keyring: Keyring) -> APIRouter:
    api = APIRouter(tags=["tokens"])

    @api.get("/accounts/{account}/tokens")
    async def list_account_tokens(account: AccountName, _: AccountScope) -> list[TokenOut]:
        """The account's tokens that are not revoked."""
        return [*map(_out, runner.existing(account).tokens.values())]

    @api.post("/accounts/{account}/tokens", status_code=201)
    async def issue_account_token(account: AccountName, form: TokenForm, asked: Asked, _: Admin) -> TokenIssuedOut:
        """A token that sees and changes this account alone. It is shown this once."""
        runner.existing(account)
        token, text = keyring.mint(account)

        def issued(_: Account, said: Said) -> list[Change]:
            return [Change("add", "token", token.id, form.name, said.fact(TokenIssued, token=token.id, name=form.name))]

        await runner.change(account, asked, issued)
        return TokenIssuedOut(id=token.id, name=form.name, token=text)

    @api.delete("/accounts/{account}/tokens/{token}")
    async def revoke_account_token(account: AccountName, token: str, asked: Asked, _: AccountScope) -> ChangesOut:
        """The token opens nothing any more."""

        def revoked(state: Account, said: Said) -> list[Change]:
            if token not in state.tokens:
                raise NotFound(f"{account} has no token {token}")
            return [Change("remove", "token", token, state.tokens[token].name, said.fact(TokenRevoked, token=token))]

        return await runner.change(account, asked, revoked)

    @api.get("/tokens")
    async def list_admin_tokens(_: Admin) -> list[TokenOut]:
        """The admin tokens that were issued here and not revoked; the first one, made with the key, isn't among them."""
        state = admins.get(ADMIN)
        return [*map(_out, state.tokens.values())] if state else []

    @api.post("/tokens", status_code=201)
    async def issue_admin_token(form: TokenForm, asked: Asked, _: Admin) -> TokenIssuedOut:
        """A token for everything. It is shown this once."""
        token, text = keyring.mint_admin()
        said = Said(ADMIN, runner.now(), asked.by, asked.reason)
        await admins.commit(ADMIN, lambda _: said.fact(TokenIssued, token=token.id, name=form.name))
        return TokenIssuedOut(id=token.id, name=form.name, token=text)

    @api.delete("/tokens/{token}", status_code=204)
    async def revoke_admin_token(token: str, asked: Asked, _: Admin) -> None:
        """The admin token opens nothing any more; any may be revoked, the first one too."""
        said = Said(ADMIN, runner.now(), asked.by, asked.reason)
        await admins.commit(ADMIN, lambda _: said.fact(TokenRevoked, token=token))

    return api


def _out(token: IssuedToken) -> TokenOut:
    return TokenOut(id=token.id, name=token.name, issued_at=token.issued_at)
