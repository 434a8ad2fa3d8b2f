"""What a client asks to be told about the delivery of a mail (RFC 3461)."""

import re
from enum import StrEnum

import msgspec

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")  # RFC 3461 4
_HEX = re.compile(r"\+([0-9A-F]{2})")


class Notify(StrEnum):
    """When the sender wants to hear of a recipient (RFC 3461 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Return(StrEnum):
    """How much of a mail comes back with the notification of a failure (RFC 3461 4.3)."""

    FULL = "FULL"
    HDRS = "HDRS"


class RecipientOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """NOTIFY and ORCPT of one recipient.

    `notify` is empty where the client said nothing: then the sender hears of failures. `orcpt` is
    as it was sent: `rfc822;bob+2B1@x.example`.
    """

    recipient: str
    notify: tuple[Notify, ...] = ()
    orcpt: str = ""

    def wants(self, when: Notify) -> bool:
        """Without NOTIFY a sender hears of failures alone."""
        return when in (self.notify or (Notify.FAILURE,))


def is_xtext(text: str) -> bool:
    return bool(_XTEXT.fullmatch(text))


def decode_xtext(text: str) -> str:
    """One line: what cannot be printed becomes a question mark."""
    plain = _HEX.sub(lambda match: chr(int(match[1], 16)), text)
    return "".join(c if c.isprintable() else "?" for c in plain)
