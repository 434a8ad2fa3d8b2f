"""Whether the keys that we sign with are published. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from varco_common.dns.answers import Answer, Found, Unknown
from varco_common.events import Colour, ReputationFinding
from varco_domains.dkim import tags_of
from varco_domains.reputation.finding import txt

CHECK = "DKIM"


class KeyRecord(NamedTuple):
    """The name of a key's record, the value that belongs there, and what the DNS says."""

    name: str
    value: str
    answer: Answer[str]


def dkim_finding(domain: str, keys: Sequence[KeyRecord], waiting: Mapping[str, str]) -> ReputationFinding:
    """`keys` are those that sign now; `waiting` has records that were not seen yet."""
    for name, value in waiting.items() if not keys else ():
        text = f"mail of {domain} leaves unsigned: its key signs once its record was seen"
        return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text, record=txt(name, value))
    if not keys:
        text = f"mail of {domain} leaves unsigned: `varco domains rotate` makes a key and prints its record"
        return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text)
    for key in keys:
        if isinstance(key.answer, Unknown):
            return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {key.answer.reason}")
        if not _published(key):
            text = f"{key.name} has no record of the key that we sign with: receivers see broken signatures"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text, record=txt(key.name, key.value))
    return ReputationFinding(
        check=CHECK, colour=Colour.GREEN, text=f"signed with {', '.join(key.name for key in keys)}"
    )


def _published(key: KeyRecord) -> bool:
    records = key.answer.records if isinstance(key.answer, Found) else ()
    return any(tags_of(record).get("p") == tags_of(key.value)["p"] for record in records)
