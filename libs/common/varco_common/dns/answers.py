"""What the DNS answers: there are such records, there are none, or it cannot be known now.

Names in answers are in lower case, in ASCII, without the dot at the end.
"""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Found(Generic[T]):
    """The records of a name.

    `name` is the one that has them: where CNAMEs lead from the name that was asked for. `ttl` is in
    seconds, the shortest on the way. `validated`: the resolver states that DNSSEC proves them
    (RFC 4035 3.2.3, AD); only a resolver on a trusted path may be believed.
    """

    name: str
    records: tuple[T, ...]
    ttl: int
    validated: bool = False


@dataclass(frozen=True, kw_only=True)
class Absent:
    """There is no such name (RFC 8020), or it has no record of this type (RFC 2308 2.2).

    `ttl` says for how many seconds that may be remembered (RFC 2308 5); 0 if the answer does not.
    `name` and `validated` as in Found.
    """

    name: str
    name_exists: bool
    ttl: int = 0
    validated: bool = False


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Nobody gave a usable answer: a time-out, SERVFAIL, a refusal, a malformed answer.

    It is no statement about the name. `reason` is for operators.
    """

    name: str
    reason: str


Answer: TypeAlias = Found[T] | Absent | Unknown


class MailExchanger(NamedTuple):
    """An MX record. An empty `host` is the null MX of a domain without mail (RFC 7505)."""

    preference: int
    host: str


class TlsaRecord(NamedTuple):
    """A TLSA record (RFC 6698 2.1)."""

    usage: int
    selector: int
    matching_type: int
    data: bytes
