"""How many servers a mail came through, by the Received fields of its header (RFC 5321 6.3)."""

import re

MAX_HOPS = 100  # a mail that came through more goes round in a circle
_TRACE = re.compile(rb"(?im)^received[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*+")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)  # RFC 5322 4.5 allows blanks


def count_hops(header: bytes) -> int:
    """`header` is the header of the mail without the empty line after it."""
    return len(_RECEIVED.findall(header))


def trace_fields(header: bytes) -> bytes:
    """The Received fields of such a header, for a message that is made of the mail.

    Without them a message that comes back would have come through no server.
    """
    return b"".join(_TRACE.findall(header + b"\r\n"))
