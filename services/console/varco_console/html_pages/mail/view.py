"""The story of one mail, and what would mend its refusal. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from varco_console.model import Person

_FINAL = ("delivered", "bounced", "expired", "dropped", "refused")
_CLOCK = "clock"  # the time of the decision, for replays: not a counter


class Fix(NamedTuple):
    """A change that would let the next such mail pass, or try this one again.

    `kind` is sender, quota, ban or retry; `subject` is the address or host that it is about.
    """

    kind: str
    subject: str

    @property
    def needs_reason(self) -> bool:
        return self.kind in ("quota", "ban")


class VoteLine(NamedTuple):
    """How one voter voted, and its counters then."""

    voter: str
    reply: str
    why: str
    counters: str

    @property
    def accepts(self) -> bool:
        return self.reply == "accepted"


class MailStory(NamedTuple):
    """The whole page; `mail`, `session`, `steps` and `recipients` are as audit's API has them."""

    mail: str
    account: str
    ballot: Mapping[str, Any] | None
    session: Mapping[str, Any] | None
    votes: tuple[VoteLine, ...]
    recipients: tuple[Mapping[str, Any], ...]
    steps: tuple[Mapping[str, Any], ...]
    fixes: tuple[Fix, ...]
    more: bool


def mail_story(answer: Mapping[str, Any], person: Person) -> MailStory:
    story = answer["story"]
    return MailStory(
        mail=story["mail"],
        account=story["account"],
        ballot=story["ballot"],
        session=story["session"],
        votes=tuple(map(_vote, story["votes"])),
        recipients=tuple(story["fates"]),
        steps=tuple(story["steps"]),
        fixes=tuple(fixes(story, person)),
        more=answer["more"],
    )


def fixes(story: Mapping[str, Any], person: Person) -> Iterator[Fix]:
    """What this person may do about it."""
    if not person.role.may_change:
        return
    replies = {vote["reply"] for vote in story["votes"]}
    ballot, session = story["ballot"] or {}, story["session"] or {}
    if "sender-not-authorised" in replies and ballot.get("sender"):
        yield Fix("sender", ballot["sender"])
    if replies & {"quota-exceeded", "quota-exceeded-finally"} and person.role.sees_all:
        yield Fix("quota", ballot["sender"])
    if "host-banned" in replies and session.get("host"):
        yield Fix("ban", session["host"])
    if any(recipient["state"] not in _FINAL for recipient in story["fates"]):
        yield Fix("retry", story["mail"])


def _vote(vote: Mapping[str, Any]) -> VoteLine:
    counters = ", ".join(f"{name} {number:,}" for name, number in vote["figures"].items() if name != _CLOCK)
    return VoteLine(vote["voter"], vote["reply"], vote["reason"] or vote["text"], counters)


def quota_exception(limit: int, until: date | str) -> dict[str, Any]:
    """The body of a quota exception: so many mails a day."""
    return {"messages": limit} | ({"until": str(until)} if until else {})
