"""An account's rules, and the words of its refusals."""

from fastapi import APIRouter

from varco_common.events import Language, Notice
from varco_common.runtime.auth import AccountScope
from varco_policy import commands
from varco_policy.api import request_parsing
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner
from varco_policy.api.response_rendering import notice_out, notices_out, rules_out
from varco_policy.api.schemas import ChangesOut, NoticeForm, NoticeOut, RulesForm, RulesOut


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/rules", tags=["rules"])
    async def show_rules(account: AccountName, _: AccountScope) -> RulesOut:
        """What the account's mails may be."""
        return rules_out(runner.existing(account).rules)

    @api.put("/rules", tags=["rules"])
    async def change_rules(account: AccountName, form: RulesForm, asked: Asked, _: AccountScope) -> ChangesOut:
        """Rules that are left out stay. An account's own token may make them stricter, never looser."""
        return await runner.change(
            account,
            asked,
            lambda state, said: commands.change_rules(state, said, request_parsing.rules(form, state.rules)),
        )

    @api.get("/notices", tags=["notices"])
    async def list_notices(account: AccountName, _: AccountScope) -> list[NoticeOut]:
        """Every refusal's words in every language, the account's own where it has some."""
        return notices_out(runner.existing(account))

    @api.get("/notices/{notice}/{language}", tags=["notices"])
    async def show_notice(account: AccountName, notice: Notice, language: Language, _: AccountScope) -> NoticeOut:
        return notice_out(runner.existing(account), notice, language)

    @api.put("/notices/{notice}/{language}", tags=["notices"])
    async def write_notice(
        account: AccountName, notice: Notice, language: Language, form: NoticeForm, asked: Asked, _: AccountScope
    ) -> ChangesOut:
        """The account's own words. Facts stand in curly brackets: `{name}` of the file, `{limit}`, `{sender}` ..."""
        text = request_parsing.words(notice, form.text)
        return await runner.change(
            account, asked, lambda state, said: commands.write_notice(state, said, notice, language, text)
        )

    @api.delete("/notices/{notice}/{language}", tags=["notices"])
    async def withdraw_notice(
        account: AccountName, notice: Notice, language: Language, asked: Asked, _: AccountScope
    ) -> ChangesOut:
        """Back to Varco's own words."""
        return await runner.change(
            account, asked, lambda state, said: commands.withdraw_notice(state, said, notice, language)
        )

    return api
