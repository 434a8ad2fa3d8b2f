"""The names of streams and subjects: the only place that spells them."""

from functools import lru_cache
from zlib import crc32

MAIL = "MAIL"
EVENTS = "EVENTS"
PARTITIONS = 16

KINDS = ("accepted", "convert", "converted", "copy", "dsn")
READY = ("accepted", "converted", "copy", "dsn")  # what relay delivers; `convert` waits for filelink


def mail(kind: str, account: str) -> str:
    """`mail.<kind>.<account>`; kind is one of KINDS, or `*`."""
    return f"mail.{kind}.{account}"


def event(service: str, fact: str, key: str) -> str:
    """`events.<service>.<fact>.<key>`; any of the three may be `*`."""
    return f"events.{service}.{fact}.{key}"


def ballot(sender: str) -> str:
    """The subject of a sender's ballots: all of one sender's go to one partition."""
    return f"ballot.{crc32(sender.lower().encode()) % PARTITIONS}"


def request(service: str, question: str) -> str:
    """A question that one service answers over the bus: `ask.<service>.<question>`."""
    return f"ask.{service}.{question}"


@lru_cache(maxsize=4_096)  # asked for with every mail
def token(value: str) -> str:
    """`value` as one subject token: what NATS gives a meaning (dot, star, greater-than, blanks) is percent-encoded."""
    return (
        "".join(
            c if c.isascii() and (c.isalnum() or c in "-_@+=:") else "".join(f"%{b:02x}" for b in c.encode())
            for c in value
        )
        or "-"
    )
