"""The addresses of links: their digits are secret, and no event holds them (ADR 50). Pure."""

import hashlib
import hmac

from varco_common.events import AttachmentLinked
from varco_filelink.model.link_state import Link

HIDDEN = "*"  # stands in events where the address has its digits
_DIGITS = 40  # in hex: 160 bits
_ID_DIGITS = 32


class LinkAddresses:
    """Derives the digits of each link from filelink's key, so that they outlive all tables."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, mail: str, part: str, extension: str) -> str:
        """The end of an address, with the secret digits.

        They are always the same for a part of a mail. A mail is converted once, so they are unique.
        """
        digits = hmac.new(self._key, f"{mail}/{part}".encode(), hashlib.sha256).hexdigest()[:_DIGITS]
        return f"{digits}.{extension}"

    def url(self, link: Link | AttachmentLinked) -> str:
        """The whole address of a link; empty if it was made with another key."""
        head, slash, name = link.url.rpartition("/")
        _, hidden, end = name.partition(f"{HIDDEN}.")
        if not hidden:
            return link.url
        whole = self.name(link.mail, link.part, end)
        return head + slash + whole if link_id(whole) == link.link else ""


def link_id(name: str) -> str:
    """The id of the link whose address ends in `name`. Nobody computes the name from it."""
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_DIGITS]


def hidden_url(base: str, link: str, extension: str) -> str:
    """The address as events have it.

    The version before serves a link under what the event has as its address, and would put that
    into mails. So it must be one that outsiders don't guess: it has the id.
    """
    return f"{base}/files/{link}{HIDDEN}.{extension}"
