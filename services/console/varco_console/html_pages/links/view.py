"""Files behind links and their downloads, from filelink's answers. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple
from urllib.parse import urlencode

from varco_console.model import Person

STATES = ("live", "ending", "expired", "revoked")


class LinksQuestion(NamedTuple):
    """As it stands in the form and in the address of the page."""

    name: str = ""
    account: str = ""
    mail: str = ""
    state: str = ""
    cursor: str = ""

    def parameters(self) -> dict[str, Any]:
        """For filelink's API."""
        return {**self._asdict(), "state": self.state if self.state in STATES else ""}

    def query(self, **more: object) -> str:
        """The query of a link to this page."""
        fields = {**self._asdict(), **more}
        return urlencode({name: value for name, value in fields.items() if value})


class LinksPage(NamedTuple):
    """The whole page; `links` are as filelink's API has them. `stored` is in bytes."""

    question: LinksQuestion
    accounts: tuple[str, ...]
    links: tuple[Mapping[str, Any], ...]
    total: int
    stored: int
    next: str


class ExportedLink(NamedTuple):
    """A row of the CSV. `last` is the last download: when, and from where.

    `url` is for those who may change something: whoever has it downloads the file.
    """

    name: str
    size: int
    account: str
    mail: str
    state: str
    linked_at: str
    expires_at: str
    downloads: int
    last_at: str
    last_host: str
    url: str


def columns(person: Person) -> tuple[str, ...]:
    """Those of the CSV that the person may have."""
    return tuple(name for name in ExportedLink._fields if name != "url" or person.role.may_change)


def links_page(question: LinksQuestion, answer: Mapping[str, Any], accounts: Iterable[str]) -> LinksPage:
    following = question.query(cursor=answer["next"]) if answer["next"] else ""
    return LinksPage(question, tuple(accounts), tuple(answer["links"]), answer["total"], answer["stored"], following)


def exported_links(answer: Mapping[str, Any]) -> Iterator[ExportedLink]:
    for link in answer["links"]:
        last = max(link["recent"], key=lambda download: str(download["at"]), default={"at": "", "host": ""})
        own = {name: link[name] for name in ExportedLink._fields if name in link}
        yield ExportedLink(**own, last_at=last["at"], last_host=last["host"])


def end_of(day: date) -> str:
    """The last second of a day in UTC, as filelink's API takes it."""
    return datetime.combine(day, time(23, 59, 59), UTC).isoformat()
