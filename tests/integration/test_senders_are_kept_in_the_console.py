"""An account's people keep its list of senders in the console."""

import csv
import html
import io
import re

import httpx
import pytest

from tests.integration.console_people import People, form_token
from tests.integration.gate import Gate

SENDERS = "/accounts/acme/senders"


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"form_token": form_token(browser.get("/me").text), **fields})


def patterns(gate: Gate) -> set[str]:
    return {entry["pattern"] for entry in gate.json("senders", "list", "acme", "--json")}


def test_an_owner_adds_and_removes_a_sender_and_the_event_has_the_name_and_the_reason(gate: Gate, people: People):
    with people.signed_in("owner") as browser:
        assert post(browser, SENDERS, pattern="New@acme.test", reason="a new desk").status_code == 303
        assert "new@acme.test" in browser.get(SENDERS).text
        assert "new@acme.test" in patterns(gate)
        assert post(browser, f"{SENDERS}/remove", pattern="new@acme.test").status_code == 303
    assert "new@acme.test" not in patterns(gate)
    removed, added, *_ = gate.json("settings", "history", "acme", "--json")
    assert (removed["fact"], removed["event"]["by"]) == ("sender-withdrawn", "person:owner")
    assert (added["fact"], added["event"]["by"]) == ("sender-authorised", "person:owner")
    assert added["event"]["reason"] == "a new desk"


def test_what_is_refused_is_said_beside_the_list(gate: Gate, people: People):
    with people.signed_in("owner") as browser:
        for pattern, why in (("nonsense", "is no sender"), ("@gmail.com", "only an admin may authorise")):
            answer = post(browser, SENDERS, pattern=pattern)
            assert answer.status_code in (403, 422)
            assert why in html.unescape(answer.text)
            assert "sales@partner.test" in answer.text
    assert "@gmail.com" not in patterns(gate)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"address": "x@acme.test", "login": "alice@acme.test"}, "may send as x@acme.test"),
        ({"address": "x@acme.test"}, "account acme may send as x@acme.test"),
        ({"address": "x@else.test", "login": "alice@acme.test"}, "may not send as x@else.test"),
        ({"address": "x@acme.test", "login": "nobody"}, "there is no login nobody"),
    ],
)
def test_who_asks_hears_whether_a_sender_would_pass(people: People, query: dict[str, str], answer: str):
    with people.signed_in("reader") as browser:
        assert answer in html.unescape(browser.get(SENDERS, params=query).text)


def test_an_import_shows_what_it_would_add_and_then_adds_it_at_once(gate: Gate, people: People):
    before = patterns(gate)
    file = {"file": ("list.csv", b"sender\nimport1@acme.test\n@acme.test\nnonsense\n@gmail.com\nimport2@acme.test\n")}
    with people.signed_in("owner") as browser:
        token = form_token(browser.get("/me").text)
        shown = browser.post(f"{SENDERS}/preview", data={"form_token": token}, files=file)
        assert shown.status_code == 200, shown.text
        page = html.unescape(shown.text)
        assert "New: 2. There already: 1. Repeated in the file: 0. Left out: 2." in page
        assert re.search(r'<td class="number">4</td><td>nonsense</td><td lang="en">.*is no sender', page)
        assert re.search(r'<td class="number">5</td><td>@gmail.com</td><td lang="en">.*only an admin', page)
        assert patterns(gate) == before
        assert post(browser, f"{SENDERS}/import", new="import1@acme.test\r\nimport2@acme.test").status_code == 303
        assert patterns(gate) == before | {"import1@acme.test", "import2@acme.test"}
        exported = browser.get(f"{SENDERS}.csv?filter=import").text
        assert [row[0] for row in csv.reader(io.StringIO(exported))] == [
            "sender",
            "import1@acme.test",
            "import2@acme.test",
        ]
        for pattern in ("import1@acme.test", "import2@acme.test"):
            assert post(browser, f"{SENDERS}/remove", pattern=pattern).status_code == 303
    assert patterns(gate) == before
