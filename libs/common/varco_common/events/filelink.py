"""The events of filelink: which attachments become links, and what happens to each link."""

import re
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from varco_common.events.base import AccountEvent
from varco_common.events.policy import Choice

_EARLIER_LINK = re.compile(r"[0-9a-f]{40}")


class FilelinkEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about an account's links."""

    SERVICE: ClassVar[str] = "filelink"


class FilelinkChosen(FilelinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="filelink.chosen.v1"):
    """Attachments of more than `over` bytes (decoded) become links from now on.

    A link begins with `base_url` (empty: the service's own) and lives for `keep_seconds`. `signed`
    says what becomes of mails with such attachments that can't be rewritten, being signed or
    encrypted: they go as they are, or are refused.
    """

    over: int
    keep_seconds: int
    base_url: str = ""
    signed: Choice = Choice.ACCEPT


class FilelinkWithdrawn(FilelinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="filelink.withdrawn.v1"):
    """Attachments stay where they are from now on; the links that there are live on."""


class AttachmentLinked(FilelinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="attachment.linked.v1"):
    """An attachment is in the store, and a link leads to it.

    `link` is the link's id, `url` its address, with the id and `*` for the digits that only
    filelink knows. A `link` of 40 digits is of an earlier version and holds those of the address
    (`readable_link`).
    `part` is the attachment's place in the mail. `object` is the stored file: equal files of an
    account share one. `size` is in bytes, `sha256` in hex; `domain` is the sender's.
    """

    mail: str
    part: str
    link: str
    url: str
    object: str
    name: str
    size: int
    sha256: str
    domain: str
    expires_at: datetime


def readable_link(link: str) -> str:
    """The id for readers who may not download: cut, if it holds the digits of the address."""
    return f"{link[:8]}..." if _EARLIER_LINK.fullmatch(link) else link


class LinkEvent(FilelinkEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about one link."""

    link: str


class LinkExtended(LinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="link.extended.v1"):
    """The link lives until `expires_at`."""

    expires_at: datetime


class Ending(StrEnum):
    """Why a link ends."""

    EXPIRED = "expired"
    REVOKED = "revoked"


class LinkClosed(LinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="link.closed.v1"):
    """The link leads nowhere from now on.

    Its file, which no other link needs, is about to be deleted: `why` follows.
    """

    why: Ending


class LinkExpired(LinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="link.expired.v1"):
    """The link's time is over.

    `gone` is the object that was deleted from the store; empty where another link needs it.
    """

    gone: str = ""


class LinkRevoked(LinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="link.revoked.v1"):
    """A person ended the link.

    `gone` is the object that was deleted from the store; empty where another link needs it.
    """

    gone: str = ""


class LinkDownloaded(LinkEvent, frozen=True, kw_only=True, omit_defaults=True, tag="link.downloaded.v1"):
    """Bytes of the file went to `host`.

    `complete` says that it was the whole file, from its first byte to its last.
    """

    host: str
    sent: int
    complete: bool


AnyFilelinkEvent = (
    FilelinkChosen
    | FilelinkWithdrawn
    | AttachmentLinked
    | LinkExtended
    | LinkExpired
    | LinkRevoked
    | LinkClosed
    | LinkDownloaded
)
