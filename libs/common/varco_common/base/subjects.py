"""The names of streams and subjects: the only place that spells them."""

from functools import lru_cache
from zlib import crc32

MAIL = "MAIL"
EVENTS = "EVENTS"
LEASES = "LEASES"
PARTITIONS = 16

KINDS = ("accepted", "convert", "converted", "copy", "dsn")
READY = ("accepted", "converted", "copy", "dsn")  # what relay delivers; `convert` waits for filelink


def mail(kind: str, account: str) -> str:
    """`mail.<kind>.<account>`; kind is one of KINDS, or `*`."""
    return f"mail.{kind}.{account}"


def event(service: str, fact: str, key: str) -> str:
    """`events.<service>.<fact>.<key>`; any of the three may be `*`."""
    return f"events.{service}.{fact}.{key}"


def partition(account: str) -> int:
    """Where an account's ballots go: one voter sees all of them, and so can keep a limit for the whole account."""
    return crc32(account.encode()) % PARTITIONS


def ballot(partition: int | str) -> str:
    """The subject of a partition's ballots; `*` for all of them."""
    return f"ballot.{partition}"


def lease(service: str) -> str:
    """Who of a service's processes holds what: `lease.<service>`, one message that is replaced."""
    return f"lease.{service}"


def request(service: str, question: str) -> str:
    """A question that one service answers over the bus: `ask.<service>.<question>`."""
    return f"ask.{service}.{question}"


def rehearse(service: str) -> str:
    """Where a service is asked to decide again, in a process of its own, what it once decided."""
    return request(service, "rehearse")


def rehearsal(run: str) -> str:
    """Where whoever asked hears the frames of one rehearsal: `rehearsal.<run>`; `*` for any."""
    return f"rehearsal.{run}"


def everyone(question: str) -> str:
    """A question that every process of every service which knows an answer answers: `everyone.<question>`."""
    return f"everyone.{question}"


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
