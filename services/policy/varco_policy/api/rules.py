"""An account's rules, and the texts of its refusals."""

from datetime import UTC, datetime

from fastapi import APIRouter

from varco_common.events import Language, Notice
from varco_common.mail.sender_patterns import normal_sender_pattern
from varco_common.runtime.auth import AccountScope, Admin
from varco_common.runtime.command_api import ChangedOut, Command, ReasonedCommand
from varco_common.runtime.request_model import AccountName
from varco_policy import commands
from varco_policy.api.command_runner import CommandRunner
from varco_policy.api.request_parsing import parse_attachments, parse_notice, parse_rules_change
from varco_policy.api.request_schemas import AttachmentExceptionForm, NoticeForm, RulesChange
from varco_policy.api.response_rendering import attachment_exception_out, notice_out, rules_out
from varco_policy.api.response_schemas import AttachmentExceptionOut, NoticeOut, RulesOut


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/rules", tags=["rules"])
    async def show_rules(account: AccountName, _: AccountScope) -> RulesOut:
        """What the account's mails may be."""
        return rules_out(runner.existing(account).rules)

    @api.put("/rules", tags=["rules"])
    async def change_rules(account: AccountName, form: RulesChange, command: Command, _: AccountScope) -> ChangedOut:
        """Rules that are left out stay.

        An account's own token may make them stricter, never looser.
        """
        return await runner.change(
            account,
            command,
            lambda state, context: commands.change_rules(state, context, parse_rules_change(form, state.rules)),
        )

    @api.get("/attachments/exceptions", tags=["rules"])
    async def list_exceptions(account: AccountName, _: AccountScope) -> list[AttachmentExceptionOut]:
        """The senders that may attach more, those whose time is over included."""
        now = datetime.now(UTC)
        return [attachment_exception_out(entry, now) for entry in runner.existing(account).exceptions.values()]

    @api.put("/attachments/exceptions/{sender:path}", tags=["rules"])
    async def put_exception(
        account: AccountName, sender: str, form: AttachmentExceptionForm, command: ReasonedCommand, _: Admin
    ) -> ChangedOut:
        """Lets a sender, or all of a domain (`@acme.example`), attach more than the rules allow.

        The narrowest exception holds.
        """
        until = form.until.astimezone(UTC) if form.until else None
        request = commands.AttachmentExceptionRequest(
            normal_sender_pattern(sender), parse_attachments(form.attachments), until, command.reason
        )
        return await runner.change(
            account, command, lambda state, context: commands.except_attachments(state, context, request)
        )

    @api.delete("/attachments/exceptions/{sender:path}", tags=["rules"])
    async def remove_exception(account: AccountName, sender: str, command: Command, _: AccountScope) -> ChangedOut:
        """The account's own rules hold again."""
        pattern = normal_sender_pattern(sender)
        return await runner.change(
            account, command, lambda state, context: commands.remove_attachment_exception(state, context, pattern)
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
