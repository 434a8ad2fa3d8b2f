"""The senders of an account, filtered, in pages. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from varco_console.html_pages.senders.sender_import import SenderImport
from varco_console.model import Person

PAGE = 100


class Sender(NamedTuple):
    """An address, a domain (`@acme.example`) or its subdomains (`@.acme.example`)."""

    pattern: str
    since: datetime


class SenderTest(NamedTuple):
    """The question whether a login may send as an address, and its answer, if one was asked."""

    address: str = ""
    login: str = ""
    allowed: bool = False
    why: str = ""


class SenderList(NamedTuple):
    """The whole page. `total` counts all that the filter lets through."""

    account: str
    filter: str
    senders: tuple[Sender, ...]
    total: int
    next: str
    may_change: bool
    test: SenderTest
    mistake: str = ""


class ImportPreview(NamedTuple):
    """What an import would add, before it does. `text` is the file; `new` is what is applied."""

    account: str
    content: SenderImport
    new: str


def matching(entries: Iterable[Mapping[str, Any]], text: str) -> list[Sender]:
    """Those that contain the text, by domain, and within a domain by name."""
    wanted = text.strip().lower()
    senders = [Sender(entry["pattern"], datetime.fromisoformat(entry["since"])) for entry in entries]
    return sorted((sender for sender in senders if wanted in sender.pattern), key=_order)


def sender_list(
    person: Person, account: str, senders: list[Sender], asked: Mapping[str, Any], test: SenderTest
) -> SenderList:
    """`asked` has the filter, and at which place of the list the page begins."""
    text, start = str(asked["filter"]), int(asked["start"])
    following = start + PAGE
    query = urlencode({"filter": text, "start": following}) if following < len(senders) else ""
    return SenderList(
        account=account,
        filter=text,
        senders=tuple(senders[start:following]),
        total=len(senders),
        next=query,
        may_change=person.role.may_change,
        test=test,
    )


def preview(account: str, content: SenderImport) -> ImportPreview:
    return ImportPreview(account, content, "\n".join(content.new))


def _order(sender: Sender) -> tuple[str, str]:
    local, _, domain = sender.pattern.rpartition("@")
    return domain.removeprefix("."), local
