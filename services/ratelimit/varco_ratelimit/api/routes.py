"""The HTTP API: limits, exceptions, resets, and what each sender has used."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.base.settings import Duration
from varco_common.events import Meter
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Admin, Caller, visible_account
from varco_common.runtime.command_api import ChangedOut, Command, Patch, ReasonedCommand, SettingsCommand
from varco_common.runtime.request_model import AccountName, StrictModel
from varco_ratelimit import commands
from varco_ratelimit.api import schemas
from varco_ratelimit.api.schemas import QuotaCommand
from varco_ratelimit.api.sender_usage import FullSender, MeterOut, SenderOut, SenderUsage, TopSender, UsageReader
from varco_ratelimit.model import NULL_SENDER, AccountQuotas, sender_key

_FARTHEST = timedelta(days=1)


class QuotasOut(BaseModel):
    """`quotas` as an account file has it; None: no limits.

    `used` is what the whole account has used of its own.
    """

    account: str
    quotas: dict[str, Any] | None
    version: int
    used: list[MeterOut]


class ResetForm(StrictModel):
    """Without `sender`: what counts towards the whole account's limits."""

    sender: str = Field(default="", max_length=320)


class QuotaCommands:
    """Carries out commands. An account's token may make its quotas stricter, never looser."""

    def __init__(self, quotas: Projection[AccountQuotas]) -> None:
        self._executor = CommandExecutor(quotas)

    async def execute(self, account: str, request: CommandRequest, command: QuotaCommand) -> ChangedOut:
        """Raises what `command` raises, ConflictError, TransientError.

        403 where the token may not.
        """

        def decide(state: AccountQuotas | None, context: CommandContext) -> list[Change]:
            state = state or AccountQuotas(account=account)
            changes = command(state, context)
            if not request.is_admin and any(commands.loosens(state, change) for change in changes):
                raise HTTPException(403, "An account's token may make its quotas stricter, never looser.")
            return changes

        return ChangedOut.of(await self._executor.execute(account, request, decide))


def router(quotas: Projection[AccountQuotas], usage: UsageReader) -> APIRouter:
    """All routes of the service."""
    api, executor = APIRouter(tags=["quotas"]), QuotaCommands(quotas)
    _quotas(api, executor, quotas, usage)
    _exceptions(api, executor)
    _usage(api, usage)
    return api


def _quotas(api: APIRouter, executor: QuotaCommands, quotas: Projection[AccountQuotas], usage: UsageReader) -> None:
    @api.get("/accounts/{account}/quotas")
    async def show(account: AccountName, _: AccountScope) -> QuotasOut:
        """The account's limits and exceptions, and what it has used as a whole."""
        version = await quotas.version(account)
        document = schemas.document(quotas.get(account) or AccountQuotas(account=account))
        return QuotasOut(account=account, quotas=document, version=version, used=usage.whole_account(account))

    @api.put("/accounts/{account}/quotas")
    async def put(account: AccountName, form: schemas.Section, request: SettingsCommand, _: AccountScope) -> ChangedOut:
        """All limits: those left out are gone.

        Exceptions only where there are some in it. `off`: no limits.
        """
        return await executor.execute(account, request, schemas.quotas_command(form))

    @api.patch("/accounts/{account}/quotas")
    async def patch(account: AccountName, request: SettingsCommand, _: AccountScope, form: Patch = None) -> ChangedOut:
        """What is left out stays; null removes. `off` alone: no limits, no exceptions."""
        return await executor.execute(account, request, schemas.quotas_patch(form))


def _exceptions(api: APIRouter, executor: QuotaCommands) -> None:
    @api.put("/accounts/{account}/quotas/exceptions/{sender:path}")
    async def put_exception(
        account: AccountName, sender: str, form: schemas.ExceptForm, request: ReasonedCommand, _: Admin
    ) -> ChangedOut:
        """Other limits for a sender, or for all of a domain (`@acme.example`).

        The narrowest exception holds.
        """

        def command(state: AccountQuotas, context: CommandContext) -> list[Change]:
            exception = form.exception_request(sender, state.quotas.time_zone, context.reason)
            return commands.put_exception(state, context, exception)

        return await executor.execute(account, request, command)

    @api.delete("/accounts/{account}/quotas/exceptions/{sender:path}")
    async def remove_exception(account: AccountName, sender: str, request: Command, _: Admin) -> ChangedOut:
        """The account's own limits hold again."""
        pattern = schemas.pattern(sender)
        return await executor.execute(
            account, request, lambda state, context: commands.remove_exception(state, context, pattern)
        )

    @api.post("/accounts/{account}/quotas/resets")
    async def reset(account: AccountName, form: ResetForm, request: ReasonedCommand, _: Admin) -> ChangedOut:
        """What was sent until now counts no more: the sender may send again at once."""
        sender = form.sender if form.sender in ("", NULL_SENDER) else sender_key(form.sender)
        return await executor.execute(account, request, lambda _, context: commands.reset(context, sender))


def _usage(api: APIRouter, usage: UsageReader) -> None:
    @api.get("/accounts/{account}/quotas/senders")
    async def list_senders(
        account: AccountName, _: AccountScope, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    ) -> list[SenderUsage]:
        """The senders that have used most of their limits."""
        return await usage.senders(account, limit)

    @api.get("/quotas/top")
    async def top(
        token: Caller,
        by: Annotated[Literal["messages", "recipients", "bytes"], Query(description="What is compared")] = "messages",
        per: Annotated[Duration, Query(description="How far back, up to a day")] = timedelta(days=1),
        account: Annotated[str, Query(description="Only in this account")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    ) -> list[TopSender]:
        """Who sends most. Quotas need not be set."""
        if not timedelta() < per <= _FARTHEST:
            raise RefusedCommand(f"the counters go back one day: they know nothing of {units.format_duration(per)}")
        return await usage.top(visible_account(token, account), Meter(by), per, limit)

    @api.get("/quotas/fullest")
    async def fullest(
        token: Caller, account: str = "", limit: Annotated[int, Query(ge=1, le=1_000)] = 20
    ) -> list[FullSender]:
        """Who has used most of a limit, the fullest first."""
        return await usage.fullest(visible_account(token, account), limit)

    @api.get("/quotas/senders/{sender:path}")
    async def show_sender(
        sender: str,
        token: Caller,
        account: Annotated[str, Query(description="Only in this account")] = "",
        mails: Annotated[int, Query(ge=0, le=200, description="How many of the mails that count, newest first")] = 20,
    ) -> list[SenderOut]:
        """What a sender has used of each limit, and the mails that count, in each account."""
        name = sender if sender == NULL_SENDER else sender_key(sender)
        return await usage.sender(name, visible_account(token, account), mails)
