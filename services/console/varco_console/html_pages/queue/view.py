"""Mails that wait, and the routes that they wait for, from relay's answers. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

HELD = {"yes": True, "no": False}


class QueueQuestion(NamedTuple):
    """As it stands in the form and in the address of the page. `routes` is the cursor of routes."""

    account: str = ""
    held: str = ""
    cursor: str = ""
    routes: str = ""

    def parameters(self) -> dict[str, Any]:
        """For relay's API."""
        return {"account": self.account, "held": HELD.get(self.held), "cursor": self.cursor}

    def query(self, **more: object) -> str:
        """The query of a link to this page."""
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class WaitingMail(NamedTuple):
    """A line of the queue. `why` is the next hop's last answer, or what its route waits for.

    `attempts` 0: it waits for its first.
    """

    mail: str
    account: str
    sender: str
    recipients: str
    next_hop: str
    accepted_at: str
    attempts: int
    next_at: str
    held: bool
    why: str

    @property
    def may_be_dropped(self) -> bool:
        """All but a mail that is being tried for the first time."""
        return bool(self.attempts or self.why)


class QueueOverview(NamedTuple):
    """The whole page; `routes` are as relay's API has them. `next` ones are queries."""

    question: QueueQuestion
    accounts: tuple[str, ...]
    mails: tuple[WaitingMail, ...]
    total: int
    untried: int
    next: str
    routes: tuple[Mapping[str, Any], ...]
    next_routes: str

    @property
    def route(self) -> Mapping[str, Any] | None:
        """The route of the one account that is shown."""
        return next((route for route in self.routes if route["account"] == self.question.account), None)


def queue_page(
    question: QueueQuestion, answer: Mapping[str, Any], routes: Mapping[str, Any], accounts: Iterable[str]
) -> QueueOverview:
    return QueueOverview(
        question=question,
        accounts=tuple(accounts),
        mails=tuple(waiting_mails(answer)),
        total=answer["total"],
        untried=answer["untried"],
        next=question.query(cursor=answer["next"]) if answer["next"] else "",
        routes=tuple(routes["routes"]),
        next_routes=question.query(routes=routes["next"]) if routes["next"] else "",
    )


def waiting_mails(answer: Mapping[str, Any]) -> Iterator[WaitingMail]:
    """Those that had no attempt yet, then the others; both the oldest first."""
    for mail in answer["untried_mails"]:
        yield _line(mail, mail["recipients"], why=mail["waits_for"])
    for mail in answer["mails"]:
        failures = mail["failures"]
        why = failures[0]["answer"] if failures else ""
        yield _line(mail, [failure["recipient"] for failure in failures], why=why)


def _line(mail: Mapping[str, Any], recipients: list[str], *, why: str) -> WaitingMail:
    first, *others = recipients or [""]
    return WaitingMail(
        mail=mail["mail"],
        account=mail["account"],
        sender=mail["sender"] or "<>",
        recipients=f"{first} +{len(others)}" if others else first,
        next_hop=mail["next_hop"],
        accepted_at=mail["accepted_at"] or "",
        attempts=mail.get("attempts", 0),
        next_at=mail.get("next_at") or "",
        held=mail.get("held", False),
        why=why,
    )
