"""An account's file in the console: what the difference shows, and how large a file may be."""

import asyncio
from datetime import UTC, datetime

import pytest

from varco_common.account_file.parsing import AccountFileError
from varco_common.events import PersonRole
from varco_console.html_pages.account.account_files import printed, read_file
from varco_console.html_pages.account.account_list import PAGE, account_list
from varco_console.html_pages.account.view import FileChange, OwnerPlan, difference, editor
from varco_console.model import Person
from varco_console.web.application import MAX_EDITED, MAX_FORM

from .conftest import form_token

ADDED = {"op": "add", "line": "+ sender @acme.example", "removes": [], "destroys": ""}
REMOVED = {"op": "remove", "line": "- user bob", "removes": ["user bob"], "destroys": ""}
SHORTER = {"op": "change", "line": "~ archive.keep: 1 day", "removes": [], "destroys": "copies older than 1 day"}


def test_what_is_lost_is_named_and_versions_are_those_of_owners_that_change():
    plans = [OwnerPlan("language", 7, (ADDED, REMOVED)), OwnerPlan("route", 3, ()), OwnerPlan("archive", 9, (SHORTER,))]
    shown = difference("acme", "account: acme", plans, ["acme.yaml, line 2: odd"])
    assert shown.lines[:2] == (FileChange("+ sender @acme.example", "good"), FileChange("- user bob", "bad"))
    assert shown.lost == "removes user bob and destroys copies older than 1 day"
    assert shown.versions == "language=7 archive=9"


def test_nothing_to_tick_where_nothing_is_lost():
    assert not difference("acme", "", [OwnerPlan("language", 7, (ADDED,))], ()).lost


@pytest.mark.parametrize("role", PersonRole)
def test_a_file_is_edited_by_those_who_may_change_it(role):
    person = Person(name="anna", role=role, account="" if role.sees_all else "acme", added_at=datetime.now(UTC))
    view = editor(person, "acme", "account: acme", "line 1: no\nline 2: no")
    assert view.may_change is (role in (PersonRole.OPERATOR, PersonRole.OWNER))
    assert view.mistakes == ("line 1: no", "line 2: no")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("account: other", "acme.yaml, line 1, account: other: expected acme"),
        ("account: acme\nquota: 5", "acme.yaml, line 2, quota: unknown section quota: did you mean quotas?"),
        ("account: acme\nrules:\n\tmax_size: 1MB", "acme.yaml, line 3 is indented with a tab: use spaces"),
    ],
)
async def test_mistakes_are_in_the_words_of_the_command_line(text, complaint):
    with pytest.raises(AccountFileError) as refusal:
        await read_file("acme", text)
    assert str(refusal.value) == complaint


async def test_others_are_served_while_a_large_file_is_read_and_printed():
    document = {"account": "acme", "senders": [f"s{number}@acme.example" for number in range(10_000)]}

    async def turns(work: asyncio.Task) -> int:
        count = 0
        while not work.done():
            await asyncio.sleep(0)
            count += 1
        return count

    printing = asyncio.create_task(printed(document))
    assert await turns(printing) > 10
    reading = asyncio.create_task(read_file("acme", await printing))
    assert await turns(reading) > 10
    assert (await reading).content == document


async def test_a_large_file_is_taken_from_somebody_who_is_signed_in_alone(console):
    large = {"text": "x" * (MAX_FORM + 1)}
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        form = {"form_token": form_token((await browser.get("/me")).text), **large}
        assert (await browser.post("/accounts/acme/edit", data=form)).status_code == 200
        assert (await browser.post("/people", data=form)).status_code == 413
        assert (await browser.post("/accounts/acme/edit", data={"text": "x" * MAX_EDITED})).status_code == 413
    async with console.browser() as stranger:
        assert (await stranger.post("/accounts/acme/edit", data=large)).status_code == 413


def test_a_gate_with_many_accounts_lists_them_in_pages():
    accounts = [{"account": f"a{number:04}"} for number in range(PAGE + 1)]
    first = account_list(reversed(accounts), "", 0, "senders")
    assert (len(first.accounts), first.accounts[0]["account"], first.path) == (PAGE, "a0000", "/senders")
    assert first.next == f"filter=&start={PAGE}"
    (found,) = account_list(accounts, " A0007 ", 0, "").accounts
    assert found["account"] == "a0007"
