"""ratelimit's HTTP API: limits, exceptions, resets, and what each sender has used. An account's token sees its own alone."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query
from pydantic import BaseModel, Field

from varco_common.bus import Bus
from varco_common.events import QuotaSet
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Admin, Caller
from varco_ratelimit import changes, forms, wanted
from varco_ratelimit.account import NULL, AccountQuotas, sender_key
from varco_ratelimit.book import Book
from varco_ratelimit.changes import Change, Op, Said
from varco_ratelimit.reading import Ids, MeterOut, Reader, SenderOut, Used
from varco_ratelimit.wanted import Planned

AccountName = Annotated[str, Path(pattern=forms.ACCOUNT, description="The account's name.")]
Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]
NeededReason = Annotated[str, Query(min_length=3, max_length=1_000, description="Why; it goes into the event.")]


class ChangeOut(BaseModel):
    """One difference: for programs, and as a line for people (`+` added, `-` removed, `~` changed)."""

    op: Op
    section: str
    key: str
    detail: str
    line: str


class Changed(BaseModel):
    """What was changed; or what would be, where `applied` is false. `version` is for If-Match."""

    account: str
    applied: bool
    version: int
    changes: list[ChangeOut]


class QuotasOut(BaseModel):
    """`quotas` as an account file has it; None: no limits. `used` is what the whole account has used of its own."""

    account: str
    quotas: dict[str, Any] | None
    version: int
    used: list[MeterOut]


class ResetForm(forms.Form):
    """Without `sender`: what counts towards the whole account's limits."""

    sender: str = Field(default="", max_length=320)


class Call(NamedTuple):
    """Who asks, and which version they have seen (None: whichever it is)."""

    by: str
    admin: bool
    expect: int | None


def _call(
    token: Caller,
    if_match: Annotated[str | None, Header(description="The version that the change is made for; else 409.")] = None,
) -> Call:
    if if_match in (None, "*"):
        return Call(f"token:{token.id}", token.is_admin, None)
    version = re.fullmatch(r'"?(\d{1,18})"?', if_match or "")  # RFC 9110 13.1.1
    if not version:
        raise HTTPException(422, 'If-Match is a version in quotes, as ETag has it: "123"')
    return Call(f"token:{token.id}", token.is_admin, int(version[1]))


Asked = Annotated[Call, Depends(_call)]


class Commands:
    """The one way from a request to events."""

    def __init__(self, quotas: Projection[AccountQuotas]) -> None:
        self._quotas = quotas

    def held(self, account: str) -> AccountQuotas:
        return self._quotas.get(account) or AccountQuotas(account=account)

    async def version(self, account: str) -> int:
        return await self._quotas.version(account)

    async def apply(
        self, account: str, asked: Call, reason: str, planned: Planned, *, dry_run: bool = False
    ) -> Changed:
        """Raises what `planned` raises, ConflictError, TransientError; 403 where an account's token may not."""
        said = Said(account, datetime.now(UTC), asked.by, reason)
        made: list[Change] = []

        def decide(state: AccountQuotas | None) -> Sequence[Change]:
            held = state or AccountQuotas(account=account)
            made[:] = planned(held, said)
            if not asked.admin and any(beyond(held, change) for change in made):
                raise HTTPException(403, "An account's token may make its quotas stricter, never looser.")
            return made

        if dry_run:
            decide(self.held(account))
        else:
            await self._quotas.commit(account, lambda state: [one.event for one in decide(state)], expect=asked.expect)
        shown = [ChangeOut(**one._asdict() | {"line": one.line}) for one in made]
        return Changed(account=account, applied=not dry_run, version=await self.version(account), changes=shown)


def beyond(held: AccountQuotas, change: Change) -> bool:
    """What an account's own token may not do: anything but stricter limits."""
    return not isinstance(change.event, QuotaSet) or changes.looser(held.quotas, change.event.quotas)


def router(bus: Bus, quotas: Projection[AccountQuotas], book: Book, ids: Ids) -> APIRouter:
    """All routes of the service."""
    api, commands, reader = APIRouter(tags=["quotas"]), Commands(quotas), Reader(bus, quotas, book, ids)
    _quotas(api, commands, reader)
    _exceptions(api, commands)
    _usage(api, reader)
    return api


def _quotas(api: APIRouter, commands: Commands, reader: Reader) -> None:
    @api.get("/accounts/{account}/quotas")
    async def show(account: AccountName, _: AccountScope) -> QuotasOut:
        """The account's limits and exceptions, and what it has used as a whole."""
        held = commands.held(account)
        return QuotasOut(
            account=account,
            quotas=forms.document(held),
            version=await commands.version(account),
            used=reader.whole(account),
        )

    @api.put("/accounts/{account}/quotas")
    async def put(
        account: AccountName,
        form: wanted.Section,
        asked: Asked,
        _: AccountScope,
        dry_run: Annotated[bool, Query(description="Only say what would change.")] = False,
        reason: Reason = "",
    ) -> Changed:
        """All limits: those left out are gone. Exceptions only where there are some in it. `off`: no limits."""
        planned = wanted.plan(form)
        return await commands.apply(account, asked, reason, planned, dry_run=dry_run)


def _exceptions(api: APIRouter, commands: Commands) -> None:
    @api.put("/accounts/{account}/quotas/exceptions/{sender:path}")
    async def put_exception(
        account: AccountName, sender: str, form: forms.ExceptForm, asked: Asked, _: Admin, reason: NeededReason
    ) -> Changed:
        """Other limits for a sender, or for all of a domain (`@acme.example`). The narrowest exception holds."""

        def planned(held: AccountQuotas, said: Said) -> list[Change]:
            return changes.put_exception(held, said, wanted.wish(sender, form, held.quotas.time_zone, reason))

        return await commands.apply(account, asked, reason, planned)

    @api.delete("/accounts/{account}/quotas/exceptions/{sender:path}")
    async def remove_exception(
        account: AccountName, sender: str, asked: Asked, _: Admin, reason: Reason = ""
    ) -> Changed:
        """The account's own limits hold again."""
        pattern = forms.pattern(sender)
        return await commands.apply(
            account, asked, reason, lambda held, said: changes.remove_exception(held, said, pattern)
        )

    @api.post("/accounts/{account}/quotas/resets")
    async def reset(account: AccountName, form: ResetForm, asked: Asked, _: Admin, reason: NeededReason) -> Changed:
        """What was sent until now counts no more: the sender may send again at once."""
        sender = form.sender if form.sender in ("", NULL) else sender_key(form.sender)
        return await commands.apply(account, asked, reason, lambda _, said: changes.reset(said, sender))


def _usage(api: APIRouter, reader: Reader) -> None:
    @api.get("/accounts/{account}/quotas/senders")
    async def list_senders(
        account: AccountName, _: AccountScope, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    ) -> list[Used]:
        """The senders that have used most of their limits."""
        return await reader.senders(account, limit)

    @api.get("/quotas/senders/{sender:path}")
    async def show_sender(
        sender: str,
        token: Caller,
        account: Annotated[str, Query(description="Only in this account")] = "",
        mails: Annotated[
            int, Query(ge=0, le=200, description="So many of the mails that count, the newest first")
        ] = 20,
    ) -> list[SenderOut]:
        """What a sender has used, of which limit, when it frees up, and the mails that count: in each account it is of."""
        if not token.is_admin and account not in ("", token.scope):
            raise HTTPException(403, f"This token is for account {token.scope} alone.")
        named = sender if sender == NULL else sender_key(sender)
        return await reader.sender(named, account if token.is_admin else token.scope, mails)
