"""filelink's HTTP API: each account's terms, and the links. An account's token sees and changes that account alone."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.base.settings import Duration, Size
from varco_common.events import Choice, Ending
from varco_common.runtime.auth import AccountScope, Caller
from varco_common.runtime.tokens import ApiToken
from varco_filelink import normalization
from varco_filelink.commands import Change, DesiredLinkSettings, SettingsCommands
from varco_filelink.link_store import LinkStore
from varco_filelink.model.account_settings import DEFAULT_KEEP, DEFAULT_THRESHOLD
from varco_filelink.model.link_state import Link, LinkState

MAX_KEEP = timedelta(days=36_500)


def _off(value: object) -> object:
    """`off`, as YAML reads it."""
    return None if value in (False, "off") else value


class LinkSettingsIn(BaseModel):
    """The section `filelink:` of an account file. What is left out is as usual."""

    model_config = ConfigDict(extra="forbid")

    over: Annotated[Size, Field(ge=10_000, le=1_000_000_000)] = DEFAULT_THRESHOLD
    keep: Annotated[Duration, Field(ge=timedelta(minutes=1), le=MAX_KEEP)] = DEFAULT_KEEP
    base_url: Annotated[str, AfterValidator(normalization.base_url), Field(max_length=300)] = ""
    signed: Literal["send", "refuse"] = "send"

    def wish(self) -> DesiredLinkSettings:
        choice = Choice.ACCEPT if self.signed == "send" else Choice.REFUSE
        return DesiredLinkSettings(self.over, self.keep, self.base_url, choice)


FilelinkSection = Annotated[LinkSettingsIn | None, BeforeValidator(_off)]


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


class LinkSettingsOut(BaseModel):
    """`filelink` as an account file has it; `links_begin_with` is what holds where it names no base URL."""

    account: str
    filelink: dict[str, str] | Literal["off"]
    links_begin_with: str


class DownloadOut(BaseModel):
    at: datetime
    host: str
    sent: int
    complete: bool


class LinkOut(BaseModel):
    """One link; `recent` are its last downloads, `downloads` counts the complete ones."""

    link: str
    url: str
    account: str
    mail: str
    name: str
    size: int
    sha256: str
    state: LinkState
    linked_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    downloads: int
    sent: int
    recent: list[DownloadOut]

    @classmethod
    def of(cls, link: Link) -> "LinkOut":
        recent = [DownloadOut(at=d.at, host=d.host, sent=d.sent, complete=d.complete) for d in link.recent]
        facts = {name: getattr(link, name) for name in cls.model_fields if name != "recent"}
        return cls(**facts, recent=recent)


class LinkPage(BaseModel):
    """A page of links, the newest first. `next` is the cursor of the next page, empty on the last."""

    links: list[LinkOut]
    next: str
    total: int
    stored: int


class ReasonIn(BaseModel):
    """Why it is done; it goes into the event."""

    reason: str = Field(default="", max_length=1_000)


class ExtendIn(ReasonIn):
    """`by` from its end on, or `until` a time."""

    by: Duration | None = None
    until: datetime | None = None


def router(desk: SettingsCommands, links: LinkStore, base: str) -> APIRouter:
    """All routes of the service."""
    api = APIRouter()
    _terms(api, desk, base)
    _links(api, links)
    return api


def _terms(api: APIRouter, desk: SettingsCommands, base: str) -> None:
    @api.get("/accounts/{account}/filelink", summary="Which attachments become links", tags=["terms"])
    async def show(account: str, _: AccountScope) -> LinkSettingsOut:
        terms = desk.terms(account)
        shown: dict[str, str] | Literal["off"] = "off"
        if terms.over:
            shown = {"over": units.format_size(terms.over), "keep": desk.lasting(terms.keep)}
            shown |= {"base_url": terms.base_url} if terms.base_url else {}
            shown |= {"signed": "refuse"} if terms.signed is Choice.REFUSE else {}
        return LinkSettingsOut(account=account, filelink=shown, links_begin_with=terms.base_url or base)

    @api.put("/accounts/{account}/filelink", summary="Choose which, or turn it off", tags=["terms"])
    async def put(
        account: str,
        token: AccountScope,
        wanted: FilelinkSection,
        reason: Annotated[str, Query(max_length=1_000)] = "",
        *,
        dry_run: bool = False,
    ) -> Applied:
        wish = wanted.wish() if wanted else None
        changes = await desk.choose(account, wish, _by(token), reason, dry_run=dry_run)
        return Applied(account=account, applied=not dry_run, changes=[ChangeOut.of(change) for change in changes])


def _links(api: APIRouter, links: LinkStore) -> None:
    @api.get("/links", summary="Links, the newest first", tags=["links"])
    async def page(
        token: Caller,
        account: str = "",
        mail: str = "",
        state: LinkState | None = None,
        cursor: str = "",
        *,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> LinkPage:
        scope = _scope(token, account)
        chosen = [
            link
            for link in links.all()
            if scope in ("", link.account) and mail in ("", link.mail) and state in (None, link.state)
        ]
        chosen.sort(key=_place, reverse=True)
        rest = [link for link in chosen if not cursor or _place(link) < cursor]
        more = _place(rest[limit - 1]) if len(rest) > limit else ""
        stored = sum({link.object: link.size for link in chosen if link.state is LinkState.LIVE}.values())
        return LinkPage(links=[LinkOut.of(one) for one in rest[:limit]], next=more, total=len(chosen), stored=stored)

    @api.get("/links/{link}", summary="One link and its downloads", tags=["links"])
    async def show(token: Caller, link: str) -> LinkOut:
        return LinkOut.of(_mine(links, token, link))

    @api.post("/links/{link}/revoke", summary="End it, and delete its file", tags=["links"])
    async def revoke(token: Caller, link: str, why: ReasonIn | None = None) -> LinkOut:
        ended = await links.end(_mine(links, token, link), Ending.REVOKED, _by(token), why.reason if why else "")
        return LinkOut.of(ended)

    @api.post("/links/{link}/extend", summary="Let it live longer", tags=["links"])
    async def extend(token: Caller, link: str, asked: ExtendIn) -> LinkOut:
        held = _mine(links, token, link)
        if (asked.by is None) == (asked.until is None):
            raise RefusedCommand("give either `by` or `until`")
        until = asked.until or held.expires_at + (asked.by or timedelta())
        if until.tzinfo is None:
            raise RefusedCommand("`until` needs a time zone, such as Z")
        return LinkOut.of(await links.extend(held, until, _by(token), asked.reason))


def _place(link: Link) -> str:
    """What links are ordered by."""
    return f"{link.linked_at.isoformat()}_{link.link}"


def _by(token: ApiToken) -> str:
    return f"token:{token.id}"


def _scope(token: ApiToken, account: str) -> str:
    if account and not token.covers(account):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return account or ("" if token.is_admin else token.scope)


def _mine(links: LinkStore, token: ApiToken, key: str) -> Link:
    """Another account's link is as if it weren't there."""
    link = links.get(key)
    if link is None or not token.covers(link.account):
        raise HTTPException(404, "There is no such link.")
    return link
