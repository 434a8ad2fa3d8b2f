"""Routes for links: list, show, revoke, extend."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from varco_common.base.errors import RefusedCommand
from varco_common.events import Ending
from varco_common.runtime.auth import Caller
from varco_common.runtime.tokens import ApiToken
from varco_filelink.api.schemas import ExtendIn, LinkOut, LinkPage, ReasonIn
from varco_filelink.link_addresses import LinkAddresses
from varco_filelink.link_store import LinkStore
from varco_filelink.model.link_state import Link, LinkState
from varco_filelink.permissions import extension_refusal


def add_routes(api: APIRouter, links: LinkStore, addresses: LinkAddresses, max_keep: timedelta) -> None:
    def shown(link: Link, token: ApiToken) -> LinkOut:
        return LinkOut.of(link, "" if token.read_only else addresses.url(link))

    @api.get("/links", summary="Links, the newest first", tags=["links"])
    async def page(
        token: Caller,
        account: str = "",
        mail: str = "",
        *,
        name: Annotated[str, Query(max_length=255, description="Part of the file's name, in any case.")] = "",
        state: LinkState | None = None,
        cursor: str = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> LinkPage:
        scope = _scope(token, account)
        matching = [
            link
            for link in links.all()
            if scope in ("", link.account)
            and mail in ("", link.mail)
            and state in (None, link.state)
            and name.casefold() in link.name.casefold()
        ]
        matching.sort(key=_position, reverse=True)
        rest = [link for link in matching if not cursor or _position(link) < cursor]
        following = _position(rest[limit - 1]) if len(rest) > limit else ""
        stored = sum({link.object: link.size for link in matching if link.state is LinkState.LIVE}.values())
        page = [shown(link, token) for link in rest[:limit]]
        return LinkPage(links=page, next=following, total=len(matching), stored=stored)

    @api.get("/links/{link}", summary="One link and its downloads", tags=["links"])
    async def show(token: Caller, link: str) -> LinkOut:
        return shown(_visible(links, token, link), token)

    @api.post("/links/{link}/revoke", summary="End it, and delete its file", tags=["links"])
    async def revoke(token: Caller, link: str, form: ReasonIn | None = None) -> LinkOut:
        reason = form.reason if form else ""
        return shown(await links.end(_visible(links, token, link), Ending.REVOKED, token.by, reason), token)

    @api.post("/links/{link}/extend", summary="Let it live longer", tags=["links"])
    async def extend(token: Caller, link: str, form: ExtendIn) -> LinkOut:
        current = _visible(links, token, link)
        if (form.by is None) == (form.until is None):
            raise RefusedCommand("give either `by` or `until`")
        until = form.until or current.expires_at + (form.by or timedelta())
        if until.tzinfo is None:
            raise RefusedCommand("`until` needs a time zone, such as Z")
        if not token.is_admin and (refusal := extension_refusal(until, datetime.now(UTC), max_keep)):
            raise HTTPException(403, refusal)
        return shown(await links.extend(current, until, token.by, form.reason), token)


def _position(link: Link) -> str:
    """The sort key of links, and the cursor of a page."""
    return f"{link.linked_at.isoformat()}_{link.mail}_{link.part}"


def _scope(token: ApiToken, account: str) -> str:
    if account and not token.covers(account):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return account or ("" if token.is_admin else token.scope)


def _visible(links: LinkStore, token: ApiToken, key: str) -> Link:
    """By its id, or by the end of its URL. That of another account is answered as unknown."""
    link = links.get(key) or links.by_name(key)
    if link is None or not token.covers(link.account):
        raise HTTPException(404, "There is no such link.")
    return link
