"""A copy as it is read: the mail, with its envelope in header fields before it. All in wire form (CRLF, dot-stuffed). Pure."""

import hashlib
from email.utils import format_datetime

from varco_common.base.ids import ALPHABET
from varco_common.mail.envelope import Envelope

LINE = "\r\n"
_LINKED = 10  # characters of an id that are time; what follows is random


def envelope_fields(envelope: Envelope) -> bytes:
    """The header fields that keep the envelope, every recipient included: whom Bcc named as well."""
    recipients = f",{LINE} ".join(f"<{recipient}>" for recipient in envelope.recipients)
    fields = {
        "X-Varco-Mail-Id": envelope.id,
        "X-Envelope-From": f"<{envelope.sender}>",
        "X-Envelope-To": recipients,
    }
    return "".join(f"{name}: {value}{LINE}" for name, value in fields.items()).encode()


def copy_id(mail: str) -> str:
    """The id of a mail's forwarded copy: always the same one, so that it can't be forwarded twice."""
    number = int.from_bytes(hashlib.sha256(f"copy of {mail}".encode()).digest()[:8])
    return mail[:_LINKED] + "".join(ALPHABET[number >> shift & 31] for shift in range(45, -1, -5))


def journal(envelope: Envelope, copy: str, *, address: str, reporter: str, eight_bit: bool) -> tuple[bytes, bytes]:
    """What stands before and behind a mail that is attached to a report about it (message/rfc822, RFC 2046 5.2.1).

    `copy` is the report's own id, `reporter` this gate's host name. Whoever archives journal reports finds the envelope
    in the text, a line for each address.
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
    text = [f"Sender: {envelope.sender or '<>'}", f"Message-Id: {envelope.id}", f"Account: {envelope.account}"]
    text += [f"Recipient: {recipient}" for recipient in envelope.recipients]
    before = [
        *(f"{name}: {value}" for name, value in head.items()),
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {transfer}",
        "",
        *text,
        f"--{boundary}",
        "Content-Type: message/rfc822",
        f"Content-Transfer-Encoding: {transfer}",
        "Content-Disposition: attachment",
        "",
        "",
    ]
    return LINE.join(before).encode(), f"{LINE}--{boundary}--{LINE}".encode()
