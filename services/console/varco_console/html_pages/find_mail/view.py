"""What the search page shows: the question as it was put, and the mails. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from varco_console.model import Person

OUTCOMES = ("accepted", "refused", "deferred", "bounced")
PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}


class Question(NamedTuple):
    """What was asked for, as it stands in the form and in the address of the page."""

    what: str = ""
    account: str = ""
    outcome: str = ""
    period: str = ""
    cursor: int = 0

    def parameters(self, now: datetime) -> dict[str, Any]:
        """For audit's API."""
        since = (now - PERIODS[self.period]).isoformat() if self.period in PERIODS else ""
        outcome = self.outcome if self.outcome in OUTCOMES else ""
        return {"what": self.what, "account": self.account, "outcome": outcome, "since": since, "cursor": self.cursor}

    def query(self, **more: object) -> str:
        """The query of a link to this page."""
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class FoundMail(NamedTuple):
    """A line of the results."""

    mail: str
    at: str
    account: str
    sender: str
    recipients: str
    subject: str
    accepted: bool
    answer: str


class MailList(NamedTuple):
    """The whole page. `next` is the query of the next page; empty on the last one."""

    question: Question
    mails: tuple[FoundMail, ...]
    next: str
    accounts: tuple[str, ...]
    asks_account: bool


def mail_list(question: Question, answer: Mapping[str, Any], person: Person, accounts: tuple[str, ...]) -> MailList:
    following = question.query(cursor=answer["next"]) if answer["next"] else ""
    return MailList(
        question, tuple(map(found_mail, answer["mails"])), following, accounts, asks_account=person.role.sees_all
    )


def found_mail(summary: Mapping[str, Any]) -> FoundMail:
    first, *others = summary["recipients"] or [""]
    return FoundMail(
        mail=summary["mail"],
        at=summary["at"],
        account=summary["account"],
        sender=summary["sender"] or "<>",
        recipients=f"{first} +{len(others)}" if others else first,
        subject=summary["subject"],
        accepted=summary["accepted"],
        answer=summary["answer"].splitlines()[0] if summary["answer"] else "",
    )
