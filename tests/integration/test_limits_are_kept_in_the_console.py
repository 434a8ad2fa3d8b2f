"""Operators make exceptions and reset counters in the console; owners look at the bars."""

import html
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.console_people import People, form_token
from tests.integration.gate import Gate, wait_for

LIMITS = "/accounts/acme/limits"


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


@pytest.fixture
def limited(gate: Gate) -> Iterator[Gate]:
    gate.apply("account: acme\nquotas: {messages: 500, account: {messages: 5000}}\n")
    yield gate
    gate.apply("account: acme\nquotas: off\n")


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"form_token": form_token(browser.get("/me").text), **fields})


def test_bars_show_what_is_used_to_those_of_the_account(limited: Gate, people: People):
    with people.signed_in("reader") as browser:
        page = html.unescape(browser.get(LIMITS, params={"sender": "alice@acme.test"}).text)
        assert "of 5,000 (1 day)" in page
        assert "of 500 (1 day)" in page
        assert "alice@acme.test" in browser.get(f"{LIMITS}.csv").text
        assert f'action="{LIMITS}/reset"' not in page


def test_an_exception_is_added_shown_and_removed(limited: Gate, people: People):
    with people.signed_in("operator") as browser:
        form = {"sender": "news@acme.test", "messages": "9000", "until": "2099-12-24", "reason": "christmas letter"}
        assert post(browser, f"{LIMITS}/exceptions", **form).status_code == 303
        page = html.unescape(browser.get(LIMITS).text)
        assert "christmas letter" in page
        assert "9000 / 1 day" in page
        (event,) = limited.events("quota-excepted")[-1:]
        assert (event.by, event.reason) == ("person:operator", "christmas letter")
        gone = post(browser, f"{LIMITS}/exceptions/remove", sender="news@acme.test", reason="is over")
        assert gone.status_code == 303
        assert "christmas letter" not in browser.get(LIMITS).text


def test_what_cannot_be_is_said_beside_the_limits(limited: Gate, people: People):
    with people.signed_in("operator") as browser:
        answer = post(browser, f"{LIMITS}/exceptions", sender="news@acme.test", reason="no meter")
        assert answer.status_code == 422
        assert "an exception names one meter at least" in html.unescape(answer.text)


def test_a_reset_lets_the_sender_send_again_at_once(limited: Gate, people: People):
    def used() -> list[int]:
        (entry,) = limited.json("quota", "show", "alice@acme.test", "--account", "acme", "--json")
        return [meter["used"] for meter in entry["meters"] if meter["of"] == "alice@acme.test"]

    wait_for(lambda: used()[0] > 0)
    with people.signed_in("operator") as browser:
        assert post(browser, f"{LIMITS}/reset", sender="alice@acme.test", reason="agreed").status_code == 303
        assert post(browser, f"{LIMITS}/reset", sender="alice@acme.test").status_code == 422
    wait_for(lambda: used() == [0])


def test_an_owner_neither_excepts_nor_resets(limited: Gate, people: People):
    with people.signed_in("owner") as browser:
        for path in ("exceptions", "exceptions/remove", "reset"):
            answer = post(browser, f"{LIMITS}/{path}", sender="alice@acme.test", messages="9", reason="mine")
            assert answer.status_code == 403, path
