"""A page of events, and the filters that it was asked with. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

_SHARED = ("type", "at", "account", "by", "reason")
_LONGEST = 600  # characters of an event's own fields


class EventFilters(NamedTuple):
    """As they stand in the form and in the address of the page."""

    fact: str = ""
    account: str = ""
    mail: str = ""
    host: str = ""
    login: str = ""
    since: str = ""
    until: str = ""
    cursor: int = 0

    def query(self, **more: object) -> str:
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class EventLine(NamedTuple):
    """A line of the list. `who` is a person's name, a token's, or a service."""

    sequence: int
    at: str
    fact: str
    account: str
    who: str
    reason: str
    details: str


class EventList(NamedTuple):
    """The whole page."""

    filters: EventFilters
    events: tuple[EventLine, ...]
    next: str


def event_list(filters: EventFilters, answer: Mapping[str, Any], tokens: Mapping[str, str]) -> EventList:
    following = filters.query(cursor=answer["next"]) if answer["next"] else ""
    return EventList(filters, tuple(lines(answer["events"], tokens)), following)


def lines(events: Iterable[Mapping[str, Any]], tokens: Mapping[str, str]) -> Iterable[EventLine]:
    """`tokens` has the names of tokens by their ids."""
    for stored in events:
        event = stored["event"]
        own = in_words({name: value for name, value in event.items() if name not in _SHARED})
        yield EventLine(
            sequence=stored["sequence"],
            at=stored["time"],
            fact=stored["fact"],
            account=str(event.get("account", "")),
            who=who(str(event.get("by", "")), tokens),
            reason=str(event.get("reason", "")),
            details=own if len(own) <= _LONGEST else f"{own[:_LONGEST]} ...",
        )


def in_words(value: Any) -> str:
    """Fields of an event for people, without quotes; those that lie in others are in brackets."""
    match value:
        case Mapping():
            return ", ".join(f"{name}: {_inner(field)}" for name, field in value.items())
        case list():
            return ", ".join(map(_inner, value))
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
    return str(value)


def _inner(value: Any) -> str:
    match value:
        case Mapping():
            return f"({in_words(value)})"
        case list():
            return f"[{in_words(value)}]"
    return in_words(value)


def who(by: str, tokens: Mapping[str, str]) -> str:
    """The name of whoever caused an event."""
    kind, _, name = by.partition(":")
    match kind:
        case "person":
            return name
        case "token":
            return tokens.get(name, by)
    return by
