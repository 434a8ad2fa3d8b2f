"""People change an account in the console; the services hold what they were shown."""

import html
import re

import httpx
import pytest

from tests.integration.console_people import PASSWORD, People, form_token
from tests.integration.gate import Gate, wait_for

FILE = """\
account: office
users: [{login: office@office.test, password: correct-horse}]
senders: ["@office.test", "boss@office.test"]
rules: {max_size: 20MB}
route: blackhole
"""


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


@pytest.fixture
def office(gate: Gate) -> Gate:
    gate.apply(FILE)
    return gate


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"form_token": form_token(browser.get("/me").text), **fields})


def shown_file(browser: httpx.Client) -> str:
    page = browser.get("/accounts/office")
    assert page.status_code == 200, page.text
    return hidden_text(page.text)


def hidden_text(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found, page
    return html.unescape(found[1])


def versions(page: str) -> str:
    found = re.search(r'name="versions" value="([^"]*)"', page)
    assert found, page
    return found[1]


def test_the_file_is_the_one_that_the_command_line_prints(office: Gate, people: People):
    with people.signed_in("operator") as browser:
        assert shown_file(browser) == office.varco("show", "office").stdout
        assert post(browser, "/accounts/office/difference", text=shown_file(browser)).text.count("<li class") == 0


def test_a_change_is_shown_then_applied_and_its_event_names_the_person(office: Gate, people: People):
    with people.signed_in("operator") as browser:
        text = shown_file(browser).replace("max_size: 20MB", "max_size: 30MB")
        shown = post(browser, "/accounts/office/difference", text=text)
        assert "max_size: 20MB -> 30MB" in html.unescape(shown.text)
        assert "max_size: 20MB" in office.varco("show", "office").stdout
        form = {"text": text, "versions": versions(shown.text)}
        assert post(browser, "/accounts/office", **form, proof=PASSWORD).status_code == 422  # without a reason
        answer = post(browser, "/accounts/office", **form, reason="larger plans", proof=PASSWORD)
        assert answer.status_code == 303
    assert "max_size: 30MB" in office.varco("show", "office").stdout
    (event, *_) = office.json("settings", "history", "office", "--json")
    assert (event["fact"], event["event"]["by"]) == ("rules-changed", "person:operator")
    assert event["event"]["reason"] == "larger plans"


@pytest.mark.parametrize("proof", ["", "another password"])
def test_a_stolen_session_applies_no_file(office: Gate, people: People, proof: str):
    with people.signed_in("operator") as browser:
        text = shown_file(browser).replace(
            "login: office@office.test", "login: office@office.test, password: stolen-it"
        )
        shown = post(browser, "/accounts/office/difference", text=text)
        assert 'name="proof"' in shown.text
        form = {"text": text, "versions": versions(shown.text), "reason": "for later"}
        refused = post(browser, "/accounts/office", **form, proof=proof)
        assert refused.status_code == 422
        assert "Your password, or a code of the present app, is needed" in html.unescape(refused.text)
        assert (hidden_text(refused.text), 'value="for later"' in refused.text) == (text, True)
        assert post(browser, "/accounts/office/difference", text=text).text.count("<li class") == 1


def test_what_is_lost_takes_a_tick(office: Gate, people: People):
    with people.signed_in("operator") as browser:
        text = shown_file(browser).replace(", boss@office.test", "")
        shown = post(browser, "/accounts/office/difference", text=text)
        assert "removes sender boss@office.test" in html.unescape(shown.text)
        form = {"text": text, "versions": versions(shown.text), "reason": "has left", "proof": PASSWORD}
        assert post(browser, "/accounts/office", **form).status_code == 409
        assert "boss@office.test" in office.varco("show", "office").stdout
        assert post(browser, "/accounts/office", **form, loss="1").status_code == 303
    assert "boss@office.test" not in office.varco("show", "office").stdout


def test_a_difference_that_is_old_is_shown_anew_and_not_applied(office: Gate, people: People):
    with people.signed_in("operator") as browser:
        text = shown_file(browser).replace("max_size: 20MB", "max_size: 30MB")
        old = versions(post(browser, "/accounts/office/difference", text=text).text)
        assert not office.varco("senders", "add", "office", "new@office.test").returncode
        again = post(browser, "/accounts/office", text=text, versions=old, reason="larger plans", proof=PASSWORD)
        assert again.status_code == 409
        assert "removes sender new@office.test" in html.unescape(again.text)
    assert "new@office.test" in office.varco("show", "office").stdout


def test_mistakes_come_with_their_lines_and_the_text_stays(office: Gate, people: People):
    text = "account: office\nrules:\n  max_size: big\nroute: {smarthost: 5}\n"
    with people.signed_in("operator") as browser:
        answer = post(browser, "/accounts/office/difference", text=text)
    assert answer.status_code == 422
    page = html.unescape(answer.text)
    assert "office.yaml, line 3, rules.max_size: big: expected a size such as 20MB" in page
    assert "office.yaml, line 4, route.smarthost" in page
    assert hidden_text(answer.text) == text


def test_no_file_of_the_server_becomes_a_secret(office: Gate, people: People):
    oauth = "oauth: {provider: microsoft, tenant: a, client_id: b, client_secret_file: /etc/hostname}"
    text = f"account: office\nroute: {{smarthost: 'a:587', tls: required, login: b, {oauth}}}\n"
    with people.signed_in("operator") as browser:
        answer = post(browser, "/accounts/office/difference", text=text)
    assert answer.status_code == 422
    assert "route.oauth.client_secret_file: unknown key" in html.unescape(answer.text)


def test_an_owner_changes_what_the_accounts_token_may(people: People):
    with people.signed_in("owner") as browser:
        text = hidden_text(browser.get("/accounts/acme").text)
        larger = re.sub(r"max_size: \S+", "max_size: 900MB", text)
        refused = post(browser, "/accounts/acme/difference", text=larger)
        assert refused.status_code == 422
        assert "an account's token may make its rules stricter, never looser" in html.unescape(refused.text)
        stricter = re.sub(r"max_size: \S+", "max_size: 1MB", text)
        shown = post(browser, "/accounts/acme/difference", text=stricter)
        assert "-> 1MB" in html.unescape(shown.text)


def test_a_change_is_in_the_history_and_undone_by_its_opposite(office: Gate, people: People):
    assert not office.varco("senders", "add", "office", "extra@office.test").returncode
    (added, *_) = office.json("settings", "history", "office", "--json")
    with people.signed_in("operator") as browser:
        page = browser.get("/accounts/office/history")
        assert page.status_code == 200, page.text
        assert "extra@office.test" in page.text
        assert "extra@office.test" in browser.get("/accounts/office/history.csv").text
        assert "extra@office.test" in browser.get("/accounts/office/history?filter=EXTRA@office").text
        assert "None of these changes matches" in browser.get("/accounts/office/history?filter=nobody-else").text
        shown = post(browser, f"/accounts/office/history/{added['sequence']}/undo")
        assert "removes sender extra@office.test" in html.unescape(shown.text)
        form = {"text": hidden_text(shown.text), "versions": versions(shown.text), "loss": "1"}
        reason = f"undoes event {added['sequence']}"
        assert f'value="{reason}"' in shown.text
        assert post(browser, "/accounts/office", **form, reason=reason, proof=PASSWORD).status_code == 303
    assert "extra@office.test" not in office.varco("show", "office").stdout
    (undone, *_) = office.json("settings", "history", "office", "--json")
    assert (undone["fact"], undone["event"]["reason"]) == ("sender-withdrawn", reason)


def test_what_cannot_be_undone_is_said_in_the_history(office: Gate, people: People):
    opened = office.json("settings", "history", "office", "--json")[-1]
    with people.signed_in("operator") as browser:
        answer = post(browser, f"/accounts/office/history/{opened['sequence']}/undo")
    assert answer.status_code == 422
    assert "the account is not open at event" in html.unescape(answer.text)


def test_beside_the_difference_stands_what_it_would_have_done(people: People):
    with people.signed_in("owner") as browser:
        text = hidden_text(browser.get("/accounts/acme").text)
        text = re.sub(r"""['"]@acme\.test['"],?\s*""", "", text)
        shown = post(browser, "/accounts/acme/difference", text=text)
        found = re.search(r'data-source="([^"]*)"', shown.text)
        assert found, shown.text
        progress = html.unescape(found[1])
        page = wait_for(lambda: done(browser.get(progress).text), 120)
        assert "would be refused" in page
        assert "alice@acme.test" in page


def done(page: str) -> str:
    """The page, once the what-if has ended."""
    assert "It could not be decided again" not in page, page
    return page if "mails were decided again." in page else ""
