"""relay's HTTP API: the queue, and each account's route. An account's token sees and changes that account alone."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from varco_common.events import Smarthost, TlsUse
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.tokens import ApiToken
from varco_relay.commands import Change, Wish, describe, wish
from varco_relay.model.queue import QueuedMail
from varco_relay.queue_service import QueueService
from varco_relay.smtp.target import BLACKHOLE, format_smarthost

DryRun = Annotated[bool, Query(description="Only say what would change.")]


class SmarthostIn(BaseModel):
    """A next hop. Without `password` the one that is there is kept."""

    model_config = ConfigDict(extra="forbid")

    smarthost: str = Field(examples=["mx.provider.example:25"], max_length=300)
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    login: str = Field(default="", max_length=320)
    password: SecretStr | None = None

    def wish(self) -> Wish:
        return wish(self.smarthost, self.tls, self.login, self.password.get_secret_value() if self.password else None)


class ChangeOut(BaseModel):
    """One difference; `line` is for people."""

    op: Literal["add", "change", "remove"]
    section: str
    key: str
    detail: str
    line: str

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        return cls(**change._asdict(), line=change.line)


class Applied(BaseModel):
    """What changed; `applied` is false where it only would."""

    account: str
    applied: bool
    changes: list[ChangeOut]


class RouteOut(BaseModel):
    """`route` is as an account file has it, without the password; None: the default one holds. `waiting` says why mail waits."""

    account: str
    route: dict[str, str] | Literal["blackhole"] | None
    goes_to: str
    waiting: str
    smtputf8: bool | None = None
    eight_bit: bool | None = None
    max_size: int | None = None
    untried: int = 0


class FailureOut(BaseModel):
    """The last answer to one recipient."""

    recipient: str
    status: str
    answer: str


class QueuedOut(BaseModel):
    """One mail that waits."""

    mail: str
    account: str
    sender: str
    size: int
    accepted_at: datetime | None
    next_at: datetime | None
    attempts: int
    next_hop: str
    held: bool
    failures: list[FailureOut]

    @classmethod
    def of(cls, state: QueuedMail) -> "QueuedOut":
        return cls(
            mail=state.mail,
            account=state.account,
            sender=state.sender,
            size=state.size,
            accepted_at=state.accepted_at,
            next_at=state.next_at,
            attempts=state.attempt,
            next_hop=state.host,
            held=state.held,
            failures=[FailureOut(recipient=f.recipient, status=f.status, answer=f.answer) for f in state.failures],
        )


class QueuePage(BaseModel):
    """A page of the queue, oldest first. `next` is the cursor of the next page, empty on the last."""

    mails: list[QueuedOut]
    next: str
    total: int
    oldest_seconds: float
    untried: int


class Why(BaseModel):
    """Why it is done; it goes into the event."""

    reason: str = Field(default="", max_length=1_000)


class DropIn(BaseModel):
    """A mail that is dropped is lost: say why."""

    reason: str = Field(min_length=3, max_length=1_000)


def router(desk: QueueService) -> APIRouter:
    """The routes over one desk."""
    api = APIRouter()
    _queue(api, desk)
    _routes(api, desk)
    return api


def _queue(api: APIRouter, desk: QueueService) -> None:
    @api.get("/queue", summary="Mails that wait for another attempt")
    async def queue(
        token: Caller,
        account: Annotated[str, Query(description="Only this account's")] = "",
        cursor: Annotated[str, Query(description="`next` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        *,
        held: Annotated[bool | None, Query(description="Only those held, or only those not held")] = None,
    ) -> QueuePage:
        scope = _scope(token, account)
        found, total = desk.page(scope, held=held, after=cursor, limit=limit)
        return QueuePage(
            mails=[QueuedOut.of(state) for state in found],
            next=found[-1].mail if len(found) == limit else "",
            total=total,
            oldest_seconds=desk.oldest_seconds(scope),
            untried=await desk.untried(scope),
        )

    @api.get("/queue/{mail}", summary="One mail that waits")
    async def show(token: Caller, mail: str) -> QueuedOut:
        return QueuedOut.of(_mine(desk, token, mail))

    @api.post("/queue/{mail}/retry", summary="Try it now")
    async def retry(token: Caller, mail: str, why: Why | None = None) -> QueuedOut:
        return await _after(desk, mail, desk.hurry(_mine(desk, token, mail), _by(token), _reason(why)))

    @api.post("/queue/{mail}/hold", summary="Don't try it until it is released")
    async def hold(token: Caller, mail: str, why: Why | None = None) -> QueuedOut:
        return await _after(desk, mail, desk.hold(_mine(desk, token, mail), _by(token), _reason(why)))

    @api.post("/queue/{mail}/release", summary="Try a held mail again")
    async def release(token: Caller, mail: str, why: Why | None = None) -> QueuedOut:
        return await _after(desk, mail, desk.release(_mine(desk, token, mail), _by(token), _reason(why)))

    @api.post("/queue/{mail}/drop", summary="Give it up, without a notification", status_code=204)
    async def drop(token: Caller, mail: str, why: DropIn) -> None:
        await desk.drop(_mine(desk, token, mail), _by(token), why.reason)


def _routes(api: APIRouter, desk: QueueService) -> None:
    @api.get("/accounts/{account}/route", summary="Where an account's mail goes")
    async def route(account: str, _: AccountScope) -> RouteOut:
        return await _route_out(desk, account)

    @api.put("/accounts/{account}/route", summary="Set where it goes")
    async def put(
        account: str,
        token: AccountScope,
        wanted: SmarthostIn | Literal["blackhole"],
        reason: str = "",
        *,
        dry_run: DryRun = False,
    ) -> Applied:
        asked: Wish | Literal["blackhole"] = BLACKHOLE if isinstance(wanted, str) else wanted.wish()
        changes = await desk.set_route(account, asked, _by(token), reason, dry_run=dry_run)
        return Applied(account=account, applied=not dry_run, changes=[ChangeOut.of(change) for change in changes])

    @api.delete("/accounts/{account}/route", summary="Back to the default route")
    async def delete(account: str, token: AccountScope, reason: str = "", *, dry_run: DryRun = False) -> Applied:
        changes = await desk.remove_route(account, _by(token), reason, dry_run=dry_run)
        return Applied(account=account, applied=not dry_run, changes=[ChangeOut.of(change) for change in changes])


def _by(token: ApiToken) -> str:
    return f"token:{token.id}"


def _scope(token: ApiToken, account: str) -> str:
    """The account whose mails are listed; empty for all."""
    if account and not token.covers(account):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return account or ("" if token.is_admin else token.scope)


def _mine(desk: QueueService, token: ApiToken, mail: str) -> QueuedMail:
    """A mail of another account is as if it weren't there."""
    state = desk.get(mail)
    if state is None or not token.covers(state.account):
        why = "it is tried for the first time, waits for that while its route is down, or has come to its end (see the events)"
        raise HTTPException(404, f"No mail {mail} waits in the queue for another attempt: {why}.")
    return state


async def _after(desk: QueueService, mail: str, doing: Any) -> QueuedOut:
    await doing
    state = desk.get(mail)
    if state is None:
        raise HTTPException(404, f"No mail {mail} waits in the queue any more.")
    return QueuedOut.of(state)


def _reason(why: Why | None) -> str:
    return why.reason if why else ""


async def _route_out(desk: QueueService, account: str) -> RouteOut:
    state = desk.route(account)
    route, learned = state.route, state.learned
    shown: dict[str, str] | Literal["blackhole"] | None = None
    if isinstance(route, Smarthost):
        shown = {"smarthost": format_smarthost(route.host, route.port), "tls": str(route.tls)}
        shown |= {"login": route.login} if route.login else {}
    elif route:
        shown = BLACKHOLE
    return RouteOut(
        account=account,
        route=shown,
        goes_to=describe(route or desk.default_route),
        waiting=desk.why_waiting(account),
        smtputf8=learned.smtputf8 if learned else None,
        eight_bit=learned.eight_bit if learned else None,
        max_size=learned.max_size if learned else None,
        untried=await desk.untried(account),
    )
