"""The list of people and where each is signed in. Pure."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from varco_common.events import PersonRole
from varco_console.model import Person, Session


class OpenedAt(NamedTuple):
    """A session, by its digest."""

    digest: str
    host: str
    since: datetime
    used_at: datetime


class PersonLine(NamedTuple):
    """A line of the list."""

    name: str
    role: PersonRole
    account: str
    has_password: bool
    has_factor: bool
    sessions: tuple[OpenedAt, ...]


class ExportedPerson(NamedTuple):
    """A row of the CSV."""

    name: str
    role: str
    account: str
    password: bool
    second_factor: bool
    sessions: int
    used_at: str


class PeopleList(NamedTuple):
    """The whole page. `link` is a new link for `link_of`, shown this once."""

    people: tuple[PersonLine, ...]
    link: str = ""
    link_of: str = ""


def people_list(
    people: Iterable[Person], now: datetime, last_use: Callable[[str, Session], datetime], link: str = "", of: str = ""
) -> PeopleList:
    """`last_use` knows of uses that no event records yet."""
    return PeopleList(tuple(_line(person, now, last_use) for person in people), link, of)


def _line(person: Person, now: datetime, last_use: Callable[[str, Session], datetime]) -> PersonLine:
    sessions = [
        OpenedAt(digest, session.host, session.since, last_use(digest, session))
        for digest, session in person.sessions.items()
        if person.session(digest, now)
    ]
    sessions.sort(key=lambda session: session.used_at, reverse=True)
    return PersonLine(person.name, person.role, person.account, bool(person.hash), bool(person.factor), tuple(sessions))


def exported_people(view: PeopleList) -> Iterator[ExportedPerson]:
    """`used_at` is the last use of any session that is open."""
    for line in view.people:
        used_at = line.sessions[0].used_at.isoformat() if line.sessions else ""
        yield ExportedPerson(
            line.name, line.role, line.account, line.has_password, line.has_factor, len(line.sessions), used_at
        )
