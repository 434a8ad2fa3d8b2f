"""How a copy is rendered: the envelope in header fields, or a journal report around the mail. Pure.

Everything is in wire form: lines end in CRLF, and dots at their start are doubled.
"""

import hashlib
from email.utils import format_datetime

from varco_common.base.ids import ALPHABET
from varco_common.mail.envelope import Envelope
from varco_common.mail.hops import trace_fields

CRLF = "\r\n"
_TIME_CHARACTERS = 10  # of an id; the rest is random


def envelope_fields(envelope: Envelope) -> bytes:
    """Header fields with the envelope and all its recipients, those of Bcc included."""
    recipients = f",{CRLF} ".join(f"<{recipient}>" for recipient in envelope.recipients)
    fields = {
        "X-Varco-Mail-Id": envelope.id,
        "X-Envelope-From": f"<{envelope.sender}>",
        "X-Envelope-To": recipients,
    }
    return "".join(f"{name}: {value}{CRLF}" for name, value in fields.items()).encode()


def copy_id(mail: str) -> str:
    """The id of a mail's forwarded copy.

    It is derived from the mail's, so that a mail is forwarded once.
    """
    number = int.from_bytes(hashlib.sha256(f"copy of {mail}".encode()).digest()[:8])
    return mail[:_TIME_CHARACTERS] + "".join(ALPHABET[number >> shift & 31] for shift in range(45, -1, -5))


def journal(
    envelope: Envelope, header: bytes, copy: str, *, address: str, reporter: str, eight_bit: bool
) -> tuple[bytes, bytes]:
    """Returns what stands before and behind a mail that is attached to a report (RFC 2046 5.2.1).

    `header` is the mail's. Its Received fields are repeated: a report that comes back to the gate
    is copied again, and only its hops end the loop. `copy` is the report's own id, `reporter` this
    gate's host name. Archives of journal reports read the envelope from the report's text, which
    has a line for each address.
    """
    boundary = f"=_{copy}"
    plain = all(map(str.isascii, (address, envelope.sender, *envelope.recipients)))
    transfer = "7bit" if plain and not eight_bit else "8bit"
    head = {
        "From": f'"Mail archive" <mailer-daemon@{reporter}>',
        "To": f"<{address}>",
        "Date": format_datetime(envelope.received_at),
        "Message-ID": f"<{copy}@{reporter}>",
        "Subject": f"Copy of mail {envelope.id}",
        "Auto-Submitted": "auto-generated",  # RFC 3834 5
        "X-Varco-Mail-Id": envelope.id,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/mixed; boundary="{boundary}"',
        "Content-Transfer-Encoding": transfer,
    }
    before = [
        *(f"{name}: {value}" for name, value in head.items()),
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {transfer}",
        "",
        f"Sender: {envelope.sender or '<>'}",
        f"Message-Id: {envelope.id}",
        f"Account: {envelope.account}",
        *(f"Recipient: {recipient}" for recipient in envelope.recipients),
        f"--{boundary}",
        "Content-Type: message/rfc822",
        f"Content-Transfer-Encoding: {transfer}",
        "Content-Disposition: attachment",
        "",
        "",
    ]
    return trace_fields(header) + CRLF.join(before).encode(), f"{CRLF}--{boundary}--{CRLF}".encode()
