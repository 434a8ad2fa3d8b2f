"""An account's rules, and the texts of its refusals."""

from fastapi import APIRouter

from varco_common.events import Language, Notice
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.command_api import ChangedOut, Command
from varco_policy import commands
from varco_policy.api.command_runner import AccountName, CommandRunner
from varco_policy.api.request_parsing import parse_notice, parse_rules
from varco_policy.api.request_schemas import NoticeForm, RulesForm
from varco_policy.api.response_rendering import notice_out, rules_out
from varco_policy.api.response_schemas import NoticeOut, RulesOut


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/rules", tags=["rules"])
    async def show_rules(account: AccountName, _: AccountScope) -> RulesOut:
        """What the account's mails may be."""
        return rules_out(runner.existing(account).rules)

    @api.put("/rules", tags=["rules"])
    async def change_rules(account: AccountName, form: RulesForm, command: Command, _: AccountScope) -> ChangedOut:
        """Rules that are left out stay.

        An account's own token may make them stricter, never looser.
        """
        return await runner.change(
            account,
            command,
            lambda state, context: commands.change_rules(state, context, parse_rules(form, state.rules)),
        )

    @api.get("/notices", tags=["notices"])
    async def list_notices(account: AccountName, _: AccountScope) -> list[NoticeOut]:
        """The text of every refusal in every language: the account's own, or else Varco's."""
        current = runner.existing(account)
        return [notice_out(current, notice, language) for notice in Notice for language in Language]

    @api.get("/notices/{notice}/{language}", tags=["notices"])
    async def show_notice(account: AccountName, notice: Notice, language: Language, _: AccountScope) -> NoticeOut:
        return notice_out(runner.existing(account), notice, language)

    @api.put("/notices/{notice}/{language}", tags=["notices"])
    async def write_notice(
        account: AccountName, notice: Notice, language: Language, form: NoticeForm, command: Command, _: AccountScope
    ) -> ChangedOut:
        """The account's own text.

        Facts stand in curly brackets: `{name}` of the file, `{limit}`, `{sender}` ...
        """
        text = parse_notice(notice, form.text)
        return await runner.change(
            account, command, lambda state, context: commands.write_notice(state, context, notice, language, text)
        )

    @api.delete("/notices/{notice}/{language}", tags=["notices"])
    async def withdraw_notice(
        account: AccountName, notice: Notice, language: Language, command: Command, _: AccountScope
    ) -> ChangedOut:
        """Back to Varco's text."""
        return await runner.change(
            account, command, lambda state, context: commands.withdraw_notice(state, context, notice, language)
        )

    return api
