"""The proof of history, the balance and the dead letters, from audit's answers. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from varco_console.web.job_state import JobState

OUTCOMES = ("accepted", "delivered", "bounced", "expired", "dropped", "in_flight", "unaccounted")


class VerificationProgress(NamedTuple):
    """How far a verification is. `state` is running, good, bad or failed."""

    state: str
    events: int = 0
    of: int = 0
    detail: str = ""


class AuditPage(NamedTuple):
    """The whole page. `proof` is None until the tree of hashes has caught up."""

    proof: Mapping[str, Any] | None
    verification: VerificationProgress | None
    totals: Mapping[str, int]
    unaccounted: tuple[Mapping[str, Any], ...]
    dead_letters: tuple[Mapping[str, Any], ...]


def audit_page(
    proof: Mapping[str, Any] | None,
    job: JobState | None,
    balance: Mapping[str, Any],
    dead_letters: Iterable[Mapping[str, Any]],
) -> AuditPage:
    totals = {outcome: sum(line[outcome] for line in balance["lines"]) for outcome in OUTCOMES}
    state = verification(job) if job else None
    return AuditPage(proof, state, totals, tuple(balance["unaccounted"]), tuple(dead_letters))


def verification(job: JobState) -> VerificationProgress:
    frame = job.last or {}
    events, of = frame.get("events", 0), frame.get("of", 0)
    if job.failure:
        return VerificationProgress("failed", events, of, job.failure)
    if not frame.get("done"):
        return VerificationProgress("failed" if job.done else "running", events, of)
    departure = frame.get("text") or frame.get("departure", "")
    return VerificationProgress("bad" if departure else "good", frame.get("signed", 0), events, departure)
