"""A mail as an entry of an mbox file. Pure."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

_FROM = re.compile(rb"^(?=From )", re.MULTILINE)


async def mbox_entry(arrived: datetime, text: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of the entry, from pieces of the mail; nothing before the first of them has come.

    Lines end in LF, and one that begins with `From ` gets a `>`, as Python's mailbox.mbox does.
    """
    begin, rest = f"From MAILER-DAEMON {arrived.astimezone(UTC):%a %b %e %H:%M:%S %Y}\n".encode(), b""
    async for piece in text:
        lines, end, rest = (rest + piece).rpartition(b"\n")
        yield begin + _quoted(lines + end)
        begin = b""
    yield _quoted(rest) + (b"\n\n" if rest else b"\n")


def _quoted(lines: bytes) -> bytes:
    return _FROM.sub(b">", lines.replace(b"\r\n", b"\n"))
