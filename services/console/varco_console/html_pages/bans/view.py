"""Banned hosts, stopped logins, ignored networks and the ban log, from banguard's answers. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from varco_console.html_pages.events.view import who
from varco_console.model import Person

LOG_LINES = 50


class BansQuestion(NamedTuple):
    """As it stands in the form and in the address of the page.

    `what` is a part of a host, a login or a sender; `host` is the one that is shown with all that
    is known of it. `after` is the number of bans on the pages before.
    """

    what: str = ""
    host: str = ""
    after: int = 0

    def query(self, **more: object) -> str:
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class BanLine(NamedTuple):
    """A ban for the table, and for the CSV."""

    network: str
    since: str
    until: str
    nth: int
    by: str
    reason: str
    evidence: tuple[Mapping[str, Any], ...]

    def row(self) -> tuple[object, ...]:
        strikes = "; ".join(
            f"{strike['at']} {strike['cause']} {strike['login'] or strike['sender']} {strike['mail']}".rstrip()
            for strike in self.evidence
        )
        return (*self[:-1], strikes)


class BansAnswers(NamedTuple):
    """What banguard said; `host` is None if none was asked for, or nothing is known of it."""

    bans: Iterable[Mapping[str, Any]]
    stops: Iterable[Mapping[str, Any]]
    ignored: Iterable[Mapping[str, Any]]
    log: str
    host: Mapping[str, Any] | None


class BansPage(NamedTuple):
    """The whole page."""

    question: BansQuestion
    bans: tuple[BanLine, ...]
    total: int
    next: str
    stops: tuple[Mapping[str, Any], ...]
    ignored: tuple[Mapping[str, Any], ...]
    log: str
    host: Mapping[str, Any] | None
    may_ban: bool


def bans_page(
    question: BansQuestion, answers: BansAnswers, tokens: Mapping[str, str], person: Person, *, page: int
) -> BansPage:
    """`tokens` has the names of tokens by their ids."""
    lines = [line for ban in answers.bans if _matches(ban, question.what) for line in ban_lines([ban], tokens)]
    end = question.after + page
    return BansPage(
        question=question,
        bans=tuple(lines[question.after : end]),
        total=len(lines),
        next=question.query(after=end) if len(lines) > end else "",
        stops=tuple(stop for stop in answers.stops if _matches(stop, question.what)),
        ignored=tuple({**entry, "by": who(entry["by"], tokens)} for entry in answers.ignored),
        log=answers.log,
        host=answers.host,
        may_ban=person.role.may_change and person.role.sees_all,
    )


def ban_lines(bans: Iterable[Mapping[str, Any]], tokens: Mapping[str, str]) -> Iterable[BanLine]:
    for ban in bans:
        yield BanLine(
            network=ban["network"],
            since=ban["since"],
            until=ban["until"] or "",
            nth=ban["count"],
            by=who(ban["by"], tokens),
            reason=ban["reason"],
            evidence=tuple(ban["evidence"]),
        )


def _matches(entry: Mapping[str, Any], what: str) -> bool:
    """Whether a ban or a stop is about it, in any case."""
    strikes = [strike[name] for strike in entry["evidence"] for name in ("host", "login", "sender", "mail")]
    own = [entry["network"], entry.get("login", ""), *strikes]
    return any(what.lower() in text.lower() for text in own)
