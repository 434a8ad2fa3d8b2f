"""DKIM keys of a domain: their names, their records, and what the DNS shows of them. Pure."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from varco_common.dns.answers import Absent, Answer, Found, Unknown
from varco_common.events import DkimAlgorithm
from varco_common.events.domain_table import AccountDomain, DkimKey

SELECTORS = 2  # keys take turns: one signs while the next is published or the last still verifies
_TAG = 6  # hexadecimal digits: few accounts share a domain
RETIRES_AFTER = timedelta(days=7)  # mail that waits in queues is given up earlier (RFC 5321 4.5.4.1)


class KeyResult(StrEnum):
    """What a look at a key's record found."""

    FOUND = "found"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class KeyFinding(NamedTuple):
    """The result and a sentence about it, for people."""

    result: KeyResult
    text: str


def selector(generation: int, algorithm: DkimAlgorithm, account: str = "", taken: Collection[str] = frozenset()) -> str:
    """`varco1`, `varco2`, and with `e` at the end for Ed25519.

    `taken` are those of other accounts that share the domain: a name has one key record. The
    account's own are then such as `varco1-3f2a9c`.
    """
    name = f"varco{(generation - 1) % SELECTORS + 1}{'e' if algorithm is DkimAlgorithm.ED25519 else ''}"
    return f"{name}-{hashlib.sha256(account.encode()).hexdigest()[:_TAG]}" if name in taken else name


def key_record_name(domain: str, key: DkimKey) -> str:
    """RFC 6376 3.6.2.1."""
    return f"{key.selector}._domainkey.{domain}"


def key_record(key: DkimKey) -> str:
    """The TXT record. `h=` keeps SHA-1 out (RFC 8301)."""
    return f"v=DKIM1; k={key.algorithm}; h=sha256; p={key.public}"


def records(domain: str, keys: Iterable[DkimKey]) -> dict[str, str]:
    """The values of their records, by name."""
    return {key_record_name(domain, key): key_record(key) for key in keys}


def key_finding(domain: str, key: DkimKey, answer: Answer[str]) -> KeyFinding:
    """Whether verifiers would find this key."""
    name = key_record_name(domain, key)
    match answer:
        case Unknown(reason=reason):
            return KeyFinding(KeyResult.UNKNOWN, f"cannot tell now: {reason}")
        case Absent():
            return KeyFinding(KeyResult.MISSING, f"there is no TXT record at {name}")
        case Found(records=records) if len(records) > 1:
            # RFC 6376 3.6.2.2: with several records the result is undefined
            return KeyFinding(KeyResult.WRONG, f"{name} has {len(records)} TXT records: leave one")
        case Found(records=records):
            tags = tags_of(records[0])
            if (tags.get("p"), tags.get("k", "rsa")) == (key.public, key.algorithm):
                return KeyFinding(KeyResult.FOUND, f"{name} has the key")
            if not tags.get("p"):
                text = f"{name} has no key, but {records[0][:60]!r}: of a wildcard record, or in the place of the key"
                return KeyFinding(KeyResult.WRONG, text)
            return KeyFinding(KeyResult.WRONG, f"{name} has another key, or a part of it was cut off")


def tags_of(text: str) -> dict[str, str]:
    """A tag list (RFC 6376 3.2), without white space in its values."""
    pairs = (tag.partition("=") for tag in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, equals, value in pairs if equals}


def newest(domain: AccountDomain) -> int:
    """The generation of the newest keys; 0 without any."""
    return max((key.generation for key in domain.keys.values()), default=0)


def waiting_keys(domain: AccountDomain) -> list[DkimKey]:
    """Keys whose records were not seen yet."""
    return [key for key in domain.keys.values() if key.active_since is None and key.replaced_at is None]


def retiring_keys(domain: AccountDomain, now: datetime) -> list[DkimKey]:
    """Keys that were replaced so long ago that no mail needs them any more."""
    return [key for key in domain.keys.values() if key.replaced_at and key.replaced_at + RETIRES_AFTER <= now]
