"""People, tokens and dead letters can be taken out as CSV."""

import csv
from datetime import UTC, datetime, timedelta

from varco_common.events import PersonRole
from varco_console.html_pages.people.view import exported_people, people_list
from varco_console.model import Person, Session

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_a_person_is_exported_with_the_last_use_of_their_sessions():
    sessions = {
        "a": Session(host="192.0.2.7", since=NOW, until=NOW + timedelta(hours=9), used_at=NOW - timedelta(hours=1)),
        "b": Session(host="192.0.2.8", since=NOW, until=NOW + timedelta(hours=9), used_at=NOW - timedelta(minutes=1)),
    }
    anna = Person(name="anna", role=PersonRole.OPERATOR, added_at=NOW, hash="x", sessions=sessions)
    view = people_list([anna], NOW, lambda _, session: session.used_at)
    [row] = exported_people(view)
    assert row == ("anna", "operator", "", True, False, 2, "2026-11-29T11:59:00+00:00")


async def test_the_list_of_people_is_a_table_for_those_who_see_all(console):
    await console.add_with_password("anna", "auditor")
    await console.add_with_password("olga", "owner", "acme")
    async with console.signed_in("anna") as browser:
        answer = await browser.get("/people.csv")
        rows = [*csv.DictReader(answer.text.splitlines())]
        assert {(row["name"], row["role"], row["account"]) for row in rows} == {
            ("anna", "auditor", ""),
            ("olga", "owner", "acme"),
        }
    async with console.signed_in("olga") as browser:
        assert (await browser.get("/people.csv")).status_code == 403
