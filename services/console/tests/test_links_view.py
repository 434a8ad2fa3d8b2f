"""Links with their last download, and the filters that they were asked with."""

from datetime import UTC, date, datetime

import pytest

from varco_common.events import PersonRole
from varco_console.html_pages.links.view import LinksQuestion, columns, end_of, exported_links, links_page
from varco_console.model import Person

LINK = {
    "link": "e1" * 20,
    "url": "https://files.acme.example/e1.pdf",
    "account": "acme",
    "mail": "06eqkv3g8w3x5m7n2p4q",
    "name": "plans.pdf",
    "size": 9,
    "sha256": "00",
    "state": "live",
    "linked_at": "2026-11-29T12:00:00Z",
    "expires_at": "2027-11-29T12:00:00Z",
    "ended_at": None,
    "downloads": 1,
    "sent": 12,
    "recent": [
        {"at": "2026-11-29T14:00:00Z", "host": "192.0.2.8", "sent": 9, "complete": True},
        {"at": "2026-11-29T13:00:00Z", "host": "192.0.2.7", "sent": 3, "complete": False},
    ],
}


def test_the_export_has_the_last_download():
    never = {**LINK, "recent": []}
    first, second = exported_links({"links": [LINK, never]})
    assert (first.name, first.last_at, first.last_host) == ("plans.pdf", "2026-11-29T14:00:00Z", "192.0.2.8")
    assert (second.last_at, second.last_host) == ("", "")


def test_the_next_page_keeps_the_filters():
    question = LinksQuestion("plans", "acme", state="live")
    view = links_page(question, {"links": [LINK], "total": 9, "stored": 81, "next": "2026_e1"}, ["acme"])
    assert view.next == "name=plans&account=acme&state=live&cursor=2026_e1"
    assert LinksQuestion(state="nonsense").parameters()["state"] == ""


def test_a_link_lives_until_the_end_of_the_day():
    assert end_of(date(2027, 1, 31)) == "2027-01-31T23:59:59+00:00"


@pytest.mark.parametrize("role", PersonRole)
def test_only_who_may_change_something_exports_the_urls_of_files(role):
    person = Person(name="anna", role=role, added_at=datetime(2026, 11, 29, tzinfo=UTC))
    assert ("url" in columns(person)) == (role in (PersonRole.OPERATOR, PersonRole.OWNER))
    assert {"name", "last_host"} <= {*columns(person)}
