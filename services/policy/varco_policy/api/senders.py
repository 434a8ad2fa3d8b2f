"""The addresses that an account may send as: list, put, remove, and explain a single address."""

from fastapi import APIRouter, HTTPException

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.mail.sender_patterns import narrowest_pattern, normal, normal_sender_pattern
from varco_common.runtime.auth import READS, AccountScope, Caller
from varco_common.runtime.command_api import ChangedOut, Command
from varco_common.runtime.request_model import AccountName
from varco_common.runtime.tokens import ApiToken
from varco_policy import commands
from varco_policy.api.command_runner import CommandRunner
from varco_policy.api.request_schemas import SenderQuestion
from varco_policy.api.response_schemas import AuthorisedSenderOut, SenderAnswer
from varco_policy.model.account import Account


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(tags=["senders"])

    @api.get("/accounts/{account}/senders")
    async def list_senders(account: AccountName, _: AccountScope) -> list[AuthorisedSenderOut]:
        """The account's senders, each with the time since when."""
        senders = runner.existing(account).senders
        return [AuthorisedSenderOut(pattern=pattern, since=since) for pattern, since in senders.items()]

    @api.put("/accounts/{account}/senders/{pattern:path}")
    async def authorise_sender(account: AccountName, pattern: str, command: Command, _: AccountScope) -> ChangedOut:
        """Authorises an address, `@domain`, or `@.domain` (its subdomains)."""
        pattern = normal_sender_pattern(pattern)
        return await runner.change(
            account, command, lambda state, context: commands.authorise_sender(state, context, pattern)
        )

    @api.delete("/accounts/{account}/senders/{pattern:path}")
    async def withdraw_sender(account: AccountName, pattern: str, command: Command, _: AccountScope) -> ChangedOut:
        """The account may no longer send as this."""
        pattern = normal_sender_pattern(pattern)
        return await runner.change(
            account, command, lambda state, context: commands.withdraw_sender(state, context, pattern)
        )

    @api.post("/senders/test", openapi_extra=READS)
    async def test_sender(question: SenderQuestion, token: Caller) -> SenderAnswer:
        """Explains why a login, or an account, may or may not send as an address."""
        account = _account_asked_about(question, token, runner)
        pattern = narrowest_pattern(question.address, account.senders)
        others = [
            other.name
            for other in runner.accounts.all()
            if other is not account and token.covers(other.name) and narrowest_pattern(question.address, other.senders)
        ]
        return SenderAnswer(
            allowed=pattern is not None,
            address=normal(question.address),
            account=account.name,
            pattern=pattern or "",
            why=_explanation(question, account, pattern, others),
            others=others,
        )

    return api


def _account_asked_about(question: SenderQuestion, token: ApiToken, runner: CommandRunner) -> Account:
    if (question.login is None) == (question.account is None):
        raise RefusedCommand("give a login or an account")
    if question.account is not None:
        if not token.covers(question.account):
            raise HTTPException(403, f"This token is for account {token.scope} alone.")
        return runner.existing(question.account)
    match = runner.accounts.by_login(question.login or "")
    if not match or not token.covers(match[0].name):
        raise NotFound(f"there is no login {question.login}")
    return match[0]


def _explanation(question: SenderQuestion, account: Account, pattern: str | None, others: list[str]) -> str:
    who = f"{question.login} belongs to account {account.name}, which" if question.login else f"account {account.name}"
    if pattern:
        return f"{who} may send as {question.address}: its list has {pattern}"
    owned = f"; it is on the list of {', '.join(others)}" if others else ""
    listed = f"its list has {', '.join([*account.senders][:20])}" if account.senders else "its list is empty"
    return f"{who} may not send as {question.address}: {listed}{owned}"
