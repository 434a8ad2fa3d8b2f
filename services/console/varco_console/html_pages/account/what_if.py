"""What a changed file would have done to last month's mail. Pure."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from varco_console.web.job_state import JobState

SHOWN = 20  # rules, senders, and examples


class OutcomeCount(NamedTuple):
    """How many mails of a sender, or by a rule, would have had another outcome."""

    name: str
    outcome: str
    mails: int


class ExampleMail(NamedTuple):
    """A mail with another verdict: the replies `before` and `after`, which is empty if unknown."""

    mail: str
    at: str
    sender: str
    recipients: int
    outcome: str
    before: str
    after: str
    why: str


class WhatIfProgress(NamedTuple):
    """`state` is none, busy, running, done, failed or other: of another file since.

    `part` is how far it is, in per cent; `mails` are those that were decided again.
    """

    state: str
    file: str
    part: int = 0
    mails: int = 0
    outcomes: tuple[tuple[str, int], ...] = ()
    rules: tuple[OutcomeCount, ...] = ()
    senders: tuple[OutcomeCount, ...] = ()
    examples: tuple[ExampleMail, ...] = ()
    why: str = ""


def digest(text: str) -> str:
    """What tells one file from another in an address."""
    return sha256(text.encode()).hexdigest()[:16]


def what_if(file: str, job: JobState | None) -> WhatIfProgress:
    """`file` is the digest of the file that the page is about."""
    if not job:
        return WhatIfProgress("none", file)
    line = job.last or {}
    if line and line["file"] != file:
        return WhatIfProgress("other", file)
    if job.failure or line.get("line") == "failed":
        return WhatIfProgress("failed", file, why=job.failure or line["why"])
    if line.get("line") == "done":
        return _done(file, line)
    if job.done:
        return WhatIfProgress("failed", file)
    return WhatIfProgress("running", file, part=round(100 * line.get("part", 0)), mails=line.get("mails", 0))


def shortened(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line without the counts that no page shows: it is kept, and may have 20,000 senders."""
    return {**line, **{name: _as_counts(_largest(line[name])) for name in ("rules", "senders") if name in line}}


def _done(file: str, line: Mapping[str, Any]) -> WhatIfProgress:
    return WhatIfProgress(
        "done",
        file,
        part=100,
        mails=line["mails"],
        outcomes=tuple(sorted(line["outcomes"].items())),
        rules=_largest(line["rules"]),
        senders=_largest(line["senders"]),
        examples=tuple(map(_example, line.get("examples", ()))),
    )


def _example(line: Mapping[str, Any]) -> ExampleMail:
    mail = line["mail"]
    return ExampleMail(
        mail=mail["id"],
        at=mail["at"],
        sender=mail["sender"] or "<>",
        recipients=mail["recipients"],
        outcome=line["outcome"],
        before=line.get("before", ""),
        after=line.get("after", ""),
        why=line["reason"],
    )


def _as_counts(rows: Iterable[OutcomeCount]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row.name, {})[row.outcome] = row.mails
    return counts


def _largest(counts: Mapping[str, Mapping[str, int]]) -> tuple[OutcomeCount, ...]:
    rows = [OutcomeCount(name, *count) for name, outcomes in counts.items() for count in outcomes.items()]
    return tuple(sorted(rows, key=lambda row: (-row.mails, row.name, row.outcome))[:SHOWN])
