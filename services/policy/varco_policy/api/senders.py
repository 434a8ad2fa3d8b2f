"""Whom an account may send as: list, put, remove, and why an address may or may not be used."""

from fastapi import APIRouter, HTTPException

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.mail.senders import covering, normal
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.tokens import ApiToken
from varco_policy import commands, normalization
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner
from varco_policy.api.schemas import ChangesOut, SenderAnswer, SenderOut, SenderQuestion
from varco_policy.model import Account


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(tags=["senders"])

    @api.get("/accounts/{account}/senders")
    async def list_senders(account: AccountName, _: AccountScope) -> list[SenderOut]:
        """The account's senders, with since when."""
        senders = runner.existing(account).senders
        return [SenderOut(pattern=pattern, since=since) for pattern, since in senders.items()]

    @api.put("/accounts/{account}/senders/{pattern:path}")
    async def authorise_sender(account: AccountName, pattern: str, asked: Asked, _: AccountScope) -> ChangesOut:
        """Authorises an address, `@domain`, or `@.domain` (its subdomains)."""
        wanted = normalization.normal_sender_pattern(pattern)
        return await runner.change(account, asked, lambda state, said: commands.authorise(state, said, wanted))

    @api.delete("/accounts/{account}/senders/{pattern:path}")
    async def withdraw_sender(account: AccountName, pattern: str, asked: Asked, _: AccountScope) -> ChangesOut:
        """The account may send as this no more."""
        wanted = normalization.normal_sender_pattern(pattern)
        return await runner.change(account, asked, lambda state, said: commands.withdraw(state, said, wanted))

    @api.post("/senders/test")
    async def test_sender(question: SenderQuestion, token: Caller) -> SenderAnswer:
        """Explains why an address may or may not be sent as by a login, or by an account."""
        account = _asked_of(question, token, runner)
        pattern = covering(question.address, account.senders)
        others = [
            other.name
            for other in runner.accounts.all()
            if other is not account and token.covers(other.name) and covering(question.address, other.senders)
        ]
        return SenderAnswer(
            allowed=pattern is not None,
            address=normal(question.address),
            account=account.name,
            pattern=pattern or "",
            why=_why(question, account, pattern, others),
            others=others,
        )

    return api


def _asked_of(question: SenderQuestion, token: ApiToken, runner: CommandRunner) -> Account:
    if (question.login is None) == (question.account is None):
        raise RefusedCommand("give a login or an account")
    if question.account is not None:
        if not token.covers(question.account):
            raise HTTPException(403, f"This token is for account {token.scope} alone.")
        return runner.existing(question.account)
    found = runner.accounts.by_login(question.login or "")
    if not found or not token.covers(found[0].name):
        raise NotFound(f"there is no login {question.login}")
    return found[0]


def _why(question: SenderQuestion, account: Account, pattern: str | None, others: list[str]) -> str:
    who = f"{question.login} belongs to account {account.name}, which" if question.login else f"account {account.name}"
    if pattern:
        return f"{who} may send as {question.address}: its list has {pattern}"
    owned = f"; it is on the list of {', '.join(others)}" if others else ""
    listed = f"its list has {', '.join([*account.senders][:20])}" if account.senders else "its list is empty"
    return f"{who} may not send as {question.address}: {listed}{owned}"
