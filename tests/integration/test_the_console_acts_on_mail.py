"""What waits is seen, held, released and dropped in the console, by those who may."""

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.console_people import People, send_form
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.events import MailDropped, MailHeld


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


def waiting_mail(gate: Gate, hop: Hop, browser: httpx.Client, recipient: str) -> str:
    """A mail that the next hop defers, once the console shows it."""
    hop.server.answer(recipient, "451 4.7.1 greylisted")
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [recipient], mail("alice@acme.test"))
    assert code == 250, text
    wait_for(lambda: "451 4.7.1 greylisted" in shown(browser, recipient))
    return text.split()[-1]


def shown(browser: httpx.Client, recipient: str) -> str:
    """The line of the queue for this recipient; empty if it does not wait."""
    lines = browser.get("/queue.csv").text.splitlines()
    return next((line for line in lines if recipient in line), "")


def test_the_owner_holds_releases_and_drops_what_waits(gate: Gate, hop: Hop, people: People) -> None:
    with people.signed_in("owner") as browser:
        kept = waiting_mail(gate, hop, browser, "kept@queue.test")
        lost = waiting_mail(gate, hop, browser, "lost@queue.test")
        page = browser.get("/queue").text
        assert f"/mails/{kept}" in page
        assert f"127.0.0.1:{hop.server.port}" in page
        assert send_form(browser, "/queue", f"/queue/{kept}/hold", reason="asked").status_code == 303
        assert ",True," in shown(browser, "kept@queue.test")
        assert send_form(browser, "/queue", f"/queue/{lost}/drop").status_code == 422
        assert send_form(browser, "/queue", f"/queue/{lost}/drop", reason="sent twice").status_code == 303
        assert not shown(browser, "lost@queue.test")
        assert send_form(browser, "/queue", f"/queue/{kept}/release").status_code == 303
    hop.mail_for("kept@queue.test")
    held = [event for event in gate.events("mail-held") if isinstance(event, MailHeld) and event.mail == kept]
    assert [(event.by, event.reason) for event in held] == [("person:owner", "asked")]
    dropped = [event for event in gate.events("mail-dropped") if isinstance(event, MailDropped)]
    assert [event.reason for event in dropped if event.mail == lost] == ["sent twice"]


def test_all_mail_of_an_account_is_held_and_tried_again(gate: Gate, hop: Hop, people: People) -> None:
    def act(verb: str) -> int:
        return send_form(browser, "/queue", f"/accounts/acme/queue/{verb}", reason="a test").status_code

    with people.signed_in("owner") as browser:
        waiting_mail(gate, hop, browser, "all@queue.test")
        assert act("hold") == 303
        try:
            assert "held by hand: a test" in browser.get("/queue").text
        finally:
            assert act("release") == 303
        assert "held by hand" not in browser.get("/queue").text
        assert act("retry") == 303
    hop.mail_for("all@queue.test")
