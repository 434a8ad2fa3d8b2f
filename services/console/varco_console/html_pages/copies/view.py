"""Mailboxes of copies, a search in one of them, and an export's progress. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from varco_console.web.job_state import JobState


class CopiesQuestion(NamedTuple):
    """As it stands in the form and in the address of the page. Days are in UTC, both included."""

    account: str = ""
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    since: date | str = ""
    until: date | str = ""
    cursor: int = 0

    def parameters(self) -> dict[str, Any]:
        """For archive's API."""
        fields = ("sender", "recipient", "subject", "cursor")
        return {name: getattr(self, name) for name in fields} | times(self.since, self.until)

    def query(self, **more: object) -> str:
        """The query of a link to this page."""
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class Export(NamedTuple):
    """How far an export is. `state` is running, done or failed; `why` it failed."""

    state: str
    copies: int = 0
    of: int = 0
    why: str = ""


class FoundCopy(NamedTuple):
    """A line of the results, and of the CSV."""

    mail: str
    arrived: str
    size: int
    sender: str
    recipients: str
    subject: str


class CopiesPage(NamedTuple):
    """The whole page; `mailboxes` are as archive's API has them.

    `box` is the one that is searched; None if no account is chosen, or has none.
    """

    question: CopiesQuestion
    accounts: tuple[str, ...]
    mailboxes: tuple[Mapping[str, Any], ...]
    box: Mapping[str, Any] | None
    copies: tuple[FoundCopy, ...]
    next: str
    export: Export | None


def copies_page(
    question: CopiesQuestion,
    mailboxes: Iterable[Mapping[str, Any]],
    answer: Mapping[str, Any] | None,
    job: JobState | None,
) -> CopiesPage:
    boxes = tuple(mailboxes)
    shown = tuple(box for box in boxes if question.account in ("", box["account"]))
    return CopiesPage(
        question=question,
        accounts=tuple(box["account"] for box in boxes),
        mailboxes=shown,
        box=next((box for box in shown if question.account and box["login"]), None),
        copies=tuple(found_copies(answer)) if answer else (),
        next=question.query(cursor=answer["next"]) if answer and answer["next"] else "",
        export=export_progress(job) if job else None,
    )


def found_copies(answer: Mapping[str, Any]) -> Iterator[FoundCopy]:
    for copy in answer["copies"]:
        first, *others = copy["recipients"] or [""]
        yield FoundCopy(
            mail=copy["mail"],
            arrived=copy["arrived"],
            size=copy["size"],
            sender=copy["sender"] or "<>",
            recipients=f"{first} +{len(others)}" if others else first,
            subject=copy["subject"],
        )


def times(since: date | str, until: date | str) -> dict[str, str]:
    """The days as archive's API takes them: [since, until)."""
    days = {"since": since, "until": until + timedelta(days=1) if isinstance(until, date) else until}
    midnights = {name: datetime.combine(day, time(), UTC) for name, day in days.items() if isinstance(day, date)}
    return {name: at.isoformat() for name, at in midnights.items()}


def export_progress(job: JobState) -> Export:
    line = job.last or {}
    state = "failed" if job.failure else "done" if job.done else "running"
    return Export(state, line.get("copies", 0), line.get("of", 0), job.failure)
