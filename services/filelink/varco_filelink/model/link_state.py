"""A link: which file it leads to, until when, and who fetched it. `apply` folds what was said of it."""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    AttachmentLinked,
    Ending,
    LinkClosed,
    LinkDownloaded,
    LinkEvent,
    LinkExpired,
    LinkExtended,
    LinkRevoked,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

FILTERS = ("events.filelink.*.*",)  # all: what guards an append is the account's last event, whichever it is
RECENT_DOWNLOADS = 20  # downloads that are remembered one by one


class LinkState(StrEnum):
    """Whether a link leads anywhere. `ENDING`: nowhere, but its file is not known to be gone yet."""

    LIVE = "live"
    ENDING = "ending"
    EXPIRED = "expired"
    REVOKED = "revoked"


class LinkClosure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a link ends, who said so, and for which reason."""

    why: Ending
    by: str
    reason: str


class DownloadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One download: bytes that were sent, and whether that was the whole file."""

    at: datetime
    host: str
    sent: int
    complete: bool


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One link as of its last event. `downloads` counts complete ones, `recent` has the last of all."""

    link: str
    account: str
    mail: str
    part: str
    url: str
    object: str
    name: str
    size: int
    sha256: str
    domain: str
    linked_at: datetime
    expires_at: datetime
    state: LinkState = LinkState.LIVE
    ended_at: datetime | None = None
    closed: LinkClosure | None = None
    downloads: int = 0
    sent: int = 0
    recent: tuple[DownloadRecord, ...] = ()

    def live(self, now: datetime) -> bool:
        return self.state is LinkState.LIVE and now < self.expires_at


_ENDABLE = (LinkState.LIVE, LinkState.ENDING)


def key(event: AnyEvent) -> str:
    """Links are kept by their 40 digits."""
    return event.link if isinstance(event, AttachmentLinked | LinkEvent) else event.key


def apply(link: Link | None, event: AnyEvent) -> Link | None:  # noqa: PLR0911  # one return a fact
    """The link after the event. One that has ended stays, to be told apart from one that never was. Pure."""
    if isinstance(event, AttachmentLinked):
        return link or _made(event)
    if link is None:
        return None
    match event:
        case LinkExtended():
            return replace(link, expires_at=event.expires_at) if link.state is LinkState.LIVE else link
        case LinkClosed() if link.state is LinkState.LIVE:
            return replace(
                link, state=LinkState.ENDING, closed=LinkClosure(why=event.why, by=event.by, reason=event.reason)
            )
        case LinkExpired() if link.state in _ENDABLE:
            return replace(link, state=LinkState.EXPIRED, ended_at=event.at)
        case LinkRevoked() if link.state in _ENDABLE:
            return replace(link, state=LinkState.REVOKED, ended_at=event.at)
        case LinkDownloaded():
            download = DownloadRecord(at=event.at, host=event.host, sent=event.sent, complete=event.complete)
            recent = (*link.recent, download)[-RECENT_DOWNLOADS:]
            return replace(link, downloads=link.downloads + event.complete, sent=link.sent + event.sent, recent=recent)
        case _:
            return link


def _made(event: AttachmentLinked) -> Link:
    return Link(
        link=event.link,
        account=event.account,
        mail=event.mail,
        part=event.part,
        url=event.url,
        object=event.object,
        name=event.name,
        size=event.size,
        sha256=event.sha256,
        domain=event.domain,
        linked_at=event.at,
        expires_at=event.expires_at,
    )


PROJECTION = ProjectionSpec("links", FILTERS, apply, Link, key)
