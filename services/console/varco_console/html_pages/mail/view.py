"""The story of one mail, and what would mend its refusal. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from varco_console.model import Person

_FINAL = ("delivered", "bounced", "expired", "dropped", "refused")
_FORBIDDEN = "forbidden-attachment"
_EXTENSION = re.compile(r"extension (\w{1,20}) ")
_CLOCK = "clock"  # the time of the decision, for replays: not a counter


class Fix(NamedTuple):
    """A change that would let the next such mail pass, or try this one again.

    `kind` is sender, quota, attachment, ban or retry; `subject` is the address or host that it is
    about. `proposed` is what the form has to begin with.
    """

    kind: str
    subject: str
    proposed: str = ""

    @property
    def needs_reason(self) -> bool:
        return self.kind in ("quota", "attachment", "ban")


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
    if _FORBIDDEN in replies and ballot.get("sender") and person.role.sees_all:
        yield Fix("attachment", ballot["sender"], forbidden_extension(story["votes"]))
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


def forbidden_extension(votes: Iterable[Mapping[str, Any]]) -> str:
    """The extension that a vote names; empty if the attachment was refused for something else."""
    reasons = (vote["reason"] for vote in votes if vote["reply"] == _FORBIDDEN)
    found = next(filter(None, map(_EXTENSION.search, reasons)), None)
    return found[1] if found else ""


def attachment_exception(
    exceptions: Iterable[Mapping[str, Any]], sender: str, extensions: str, until: date | str
) -> dict[str, Any]:
    """The body of an exception for the sender: what it may attach already, and these extensions.

    It ends with the day `until`, in UTC.
    """
    wanted = [name.strip(" .").lower() for name in extensions.split(",")]
    present: Any = next((entry["attachments"] for entry in exceptions if _is_of(entry, sender)), {"allow": []})
    allowed = "any" if present == "any" else {"allow": sorted({*present["allow"], *filter(None, wanted)})}
    if not isinstance(until, date):
        return {"attachments": allowed}
    end = datetime.combine(until + timedelta(days=1), time(), UTC)
    return {"attachments": allowed, "until": end.isoformat()}


def _is_of(exception: Mapping[str, Any], sender: str) -> bool:
    return exception["sender"] == sender.lower() and not exception["ended"]
