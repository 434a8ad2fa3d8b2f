"""What an answer of the DNS means for the proof of a domain, and when to look again. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from varco_common.dns.answers import Absent, Answer, Found, Unknown
from varco_common.events.domain_table import AccountDomain

LABEL = "_varco"
_FIRST = timedelta(minutes=1)  # people watch while they publish the record
_LONGEST = timedelta(hours=12)  # negative answers are remembered no longer than that (RFC 2308 5 says 3 h)
_GROWTH = 4  # a domain that was added an hour ago is looked at every quarter of an hour


class ProofResult(StrEnum):
    """What a look at the record found."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"


class ProofFinding(NamedTuple):
    """The result and a sentence about it, for people."""

    result: ProofResult
    text: str


def record_name(domain: str) -> str:
    """Where the TXT record of a proof belongs."""
    return f"{LABEL}.{domain}"


def proof_finding(domain: AccountDomain, answer: Answer[str]) -> ProofFinding:
    """Whether the record is there. Other values beside it do no harm."""
    name = record_name(domain.name)
    match answer:
        case Unknown(reason=reason):
            return ProofFinding(ProofResult.UNKNOWN, f"cannot tell now: {reason}")
        case Absent():
            return ProofFinding(ProofResult.MISSING, f"there is no TXT record at {name}")
        case Found(records=records):
            if domain.proof in map(str.strip, records):
                return ProofFinding(ProofResult.FOUND, f"{name} has the record")
            shown = ", ".join(repr(text[:60]) for text in records[:3])
            return ProofFinding(ProofResult.MISSING, f"{name} has other values: {shown}")


def later(since: datetime, now: datetime) -> datetime:
    """When to look again for what has been awaited `since`: the longer, the later."""
    return now + min(max((now - since) / _GROWTH, _FIRST), _LONGEST)
