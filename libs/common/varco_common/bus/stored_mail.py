"""A mail in stream MAIL: reading it, and the record in its headers."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import PoisonError, TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import header, is_reflected
from varco_common.mail.record import HEADER, MailRecord, decode_record

RECORD = HEADER.encode()
_ATTEMPTS = 3  # the leader may store the mail between the two requests


class MissingMail(PoisonError):
    """There is no mail at this sequence: it never existed, or it expired."""


class StoredMail(msgspec.Struct, frozen=True):
    """A mail, its sequence in MAIL and when it was stored (UTC). `body` is inline, in wire form."""

    sequence: int
    at: datetime
    subject: str
    record: MailRecord
    body: bytes


async def get_mail(connection: NatsConnection, request: dict[str, Any], missing: str, timeout: float) -> StoredMail:
    """Reads one mail by a direct get.

    Raises MissingMail with the text `missing`, PoisonError, TransientError.
    """
    for _ in range(_ATTEMPTS):
        if message := await jetstream.direct_get(connection, subjects.MAIL, request, timeout):
            at = datetime.fromtimestamp(message.at / 1e9, UTC)
            return StoredMail(message.sequence, at, message.subject, record_of(message.headers), message.payload)
        if await jetstream.is_gone(connection, subjects.MAIL, request):
            raise MissingMail(missing)
    raise TransientError("MAIL cannot be read at present")


def record_of(headers: bytes) -> MailRecord:
    """Decodes the record in a mail's headers.

    Raises PoisonError, also if nobody published the message.
    """
    if is_reflected(headers):
        raise PoisonError("not a mail record: an answer that was diverted into the stream")
    try:
        return decode_record(header(headers, RECORD))
    except msgspec.DecodeError as error:
        raise PoisonError(f"not a mail record: {error}") from error
