"""A link: which file it leads to, until when, and its downloads. Folded from events. Pure."""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import asdict, replace

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

# All events of filelink: an append expects the last event of its account, whichever that is.
FILTERS = ("events.filelink.*.*",)
RECENT_DOWNLOADS = 20  # that are listed one by one


class LinkState(StrEnum):
    """`ENDING`: the link leads nowhere any more, but its file may still be in the store."""

    LIVE = "live"
    ENDING = "ending"
    EXPIRED = "expired"
    REVOKED = "revoked"


class LinkClosure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a link ends, who ended it, and for which reason."""

    why: Ending
    by: str
    reason: str


class DownloadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One download: the bytes sent, and whether that was the whole file."""

    at: datetime
    host: str
    sent: int
    complete: bool


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`downloads` counts the complete ones; `recent` has the last of all."""

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

    @property
    def revoked(self) -> bool:
        """Whether a person ended it. Its file may still be in the store for a moment."""
        ending = self.state is LinkState.ENDING and self.closed is not None and self.closed.why is Ending.REVOKED
        return ending or self.state is LinkState.REVOKED


_ENDABLE = (LinkState.LIVE, LinkState.ENDING)


def key(event: AnyEvent) -> str:
    """The key of a link's state: its id."""
    return event.link if isinstance(event, AttachmentLinked | LinkEvent) else event.key


def apply(link: Link | None, event: AnyEvent) -> Link | None:  # noqa: PLR0911
    """The link after the event. An ended link stays: it is answered unlike an unknown one."""
    if isinstance(event, AttachmentLinked):
        return link or _new_link(event)
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


def _new_link(event: AttachmentLinked) -> Link:
    fields = {name: value for name, value in asdict(event).items() if name in Link.__struct_fields__}
    return Link(**fields, linked_at=event.at)


PROJECTION = ProjectionSpec("links", FILTERS, apply, Link, key)
