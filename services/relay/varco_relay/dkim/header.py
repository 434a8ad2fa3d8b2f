"""The header of a mail as signatures see it: fields, the domain of From, old signatures. Pure."""

import re

from varco_common.mail.envelope import domain_of
from varco_common.mail.sender_patterns import normal
from varco_common.mime.addresses import parse_addresses
from varco_common.mime.defects import Defect

_SIGNATURES = (  # those over the body, and an ARC set is nothing without each of its fields (RFC 8617 4.1)
    b"dkim-signature",
    b"arc-message-signature",
    b"arc-seal",
    b"arc-authentication-results",
)


def fields_of(header: bytes) -> list[bytes]:
    """The fields with their folding, without the CRLF at their ends."""
    return re.split(rb"\r\n(?![ \t])", header.removesuffix(b"\r\n")) if header else []


def name_of(field: bytes) -> bytes:
    """In lower case."""
    return field.partition(b":")[0].strip().lower()


def from_domain(fields: list[bytes]) -> str:
    """The domain of the only author, in ASCII; empty where there is not exactly one.

    DMARC wants one, too (RFC 7489 6.6.1).
    """
    values = [field.partition(b":")[2] for field in fields if name_of(field) == b"from"]
    if len(values) != 1:
        return ""
    defects: set[Defect] = set()
    authors = parse_addresses(values, defects)  # as the senders of the mail were judged
    domains = {domain_of(normal(author)) for author in authors if "@" in author}
    return domains.pop() if len(domains) == 1 and not defects else ""


def without_signatures(fields: list[bytes]) -> list[bytes]:
    """The fields without those of DKIM and ARC."""
    return [field for field in fields if name_of(field) not in _SIGNATURES]
