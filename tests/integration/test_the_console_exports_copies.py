"""Copies in the console: an owner searches their mailbox and takes it out as an mbox."""

import mailbox
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.integration.console_people import People, form_token, send_form
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.events import CopyExported

BOTTEGA = """\
account: bottega
senders: ["@bottega.test"]
networks: ["127.0.0.113/32"]
route: blackhole
archive: {pop3: {login: copies@bottega.test, password: another-secret}, senders_told: "HR, 2026-11-02"}
"""


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    people = People(gate)
    gate.apply(BOTTEGA)
    people.add("carla", "owner", "bottega")
    with gate.smtp("127.0.0.113") as client:
        for subject in ("first", "second"):
            text = mail("carla@bottega.test", Subject=subject)
            assert transact(client, "carla@bottega.test", ["bob@dest.test"], text)[0] == 250
    wait_for(lambda: len(gate.json("archive", "search", "bottega")) == 2)
    return people


def export(browser: httpx.Client, account: str) -> httpx.Response:
    fields = {"form_token": form_token(browser.get("/copies").text), "reason": "for the lawyer"}
    return browser.post(f"/accounts/{account}/copies/export", data=fields)


def test_an_owner_searches_the_copies_of_their_account_alone(people: People) -> None:
    query = {"account": "bottega", "subject": "SECOND"}
    with people.signed_in("carla") as browser, people.signed_in("owner") as stranger:
        lines = browser.get("/accounts/bottega/copies.csv", params=query).text.splitlines()
        assert [line.split(",")[-1] for line in lines] == ["subject", "second"]
        page = browser.get("/copies", params=query).text
        assert ">second</td>" in page
        assert ">first</td>" not in page
        assert "never" in page, "no client has collected any"
        assert stranger.get("/copies", params=query).status_code == 403
        assert stranger.get("/accounts/bottega/copies.csv").status_code == 403
        assert "bottega" not in stranger.get("/copies").text


def test_an_export_is_an_mbox_and_an_event_names_who_took_it(gate: Gate, people: People, tmp_path: Path) -> None:
    with people.signed_in("carla") as browser, people.signed_in("reader") as reader:
        answer = export(browser, "bottega")
        assert answer.status_code == 200
        assert 'filename="bottega.mbox"' in answer.headers["content-disposition"]
        assert "2 copies were written" in browser.get("/copies").text
        assert send_form(reader, "/me", "/accounts/acme/copies/export").status_code == 403
    file = tmp_path / "bottega.mbox"
    file.write_bytes(answer.content)
    with closing(mailbox.mbox(file)) as box:
        assert [message["Subject"] for message in box] == ["first", "second"]
    [event] = [event for event in gate.events("copy-exported") if event.account == "bottega"]  # type: ignore[attr-defined]
    assert isinstance(event, CopyExported)
    assert (event.by, event.reason) == ("person:carla", "for the lawyer")
