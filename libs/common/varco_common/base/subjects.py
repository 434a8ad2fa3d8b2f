"""The names of streams and subjects. No other module spells them out."""

from functools import lru_cache
from zlib import crc32

MAIL = "MAIL"
EVENTS = "EVENTS"
LEASES = "LEASES"
PARTITIONS = 16
TOLD = "policy"  # the service of whose events `passing` tells

KINDS = ("accepted", "convert", "converted", "copy", "dsn")
READY = ("accepted", "converted", "copy", "dsn")  # what is delivered; `convert` is not converted yet


def mail(kind: str, account: str) -> str:
    """`mail.<kind>.<account>`; kind is one of KINDS, or `*`."""
    return f"mail.{kind}.{account}"


def event(service: str, fact: str, key: str) -> str:
    """`events.<service>.<fact>.<key>`; any of the three may be `*`."""
    return f"events.{service}.{fact}.{key}"


def passing(subject_filter: str) -> str:
    """Where the bus tells of each event that was stored, without its content.

    `passing.<service>.<fact>.<key>` for the subject of an event, or a filter. Only for services in
    TOLD.
    """
    return f"passing.{subject_filter.removeprefix('events.')}"


def passed(subject: str) -> str:
    """The subject of the event that `passing` told of."""
    return f"events.{subject.removeprefix('passing.')}"


def partition(account: str) -> int:
    """The partition of an account's ballots.

    One voter gets all of an account's ballots, so that it can apply a limit to the whole account.
    """
    return crc32(account.encode()) % PARTITIONS


def ballot(partition: int | str) -> str:
    """The subject of a partition's ballots; `*` for all of them."""
    return f"ballot.{partition}"


def lease(service: str) -> str:
    """The leases of a service's processes: `lease.<service>`, one message that is replaced."""
    return f"lease.{service}"


def request(service: str, question: str) -> str:
    """A request that one service answers over the bus: `ask.<service>.<question>`."""
    return f"ask.{service}.{question}"


def retention_query(service: str) -> str:
    """The query whether a service still needs a mail; the wire calls that `keeps`."""
    return request(service, "keeps")


def replay_request(service: str) -> str:
    """The request to replay past decisions of a service; the wire calls that `rehearse`."""
    return request(service, "rehearse")


def replay_frames(run: str) -> str:
    """Where the frames of one replay go: `rehearsal.<run>`; `*` for any."""
    return f"rehearsal.{run}"


def everyone(question: str) -> str:
    """A request that every process which knows an answer responds to: `everyone.<question>`."""
    return f"everyone.{question}"


@lru_cache(maxsize=4_096)  # called for every mail
def token(value: str) -> str:
    """`value` as one token of a subject.

    Characters with a meaning in NATS (dot, star, greater-than, white space) are percent-encoded.
    """
    return (
        "".join(
            c if c.isascii() and (c.isalnum() or c in "-_@+=:") else "".join(f"%{b:02x}" for b in c.encode())
            for c in value
        )
        or "-"
    )
