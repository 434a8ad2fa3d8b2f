"""What lets the next mail pass is one click away for an operator, and for nobody else."""

from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests.integration.console_people import PASSWORD, People, send_form
from tests.integration.gate import Gate, transact, wait_for
from varco_common.events import MailRefused

SENDER = "cad@acme.test"


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    return People(gate)


def send_drawing(gate: Gate) -> tuple[int, str]:
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = SENDER, "bob@dest.test", "a drawing"
    letter.set_content("The drawing.\n")
    letter.add_attachment(b"AC1032", maintype="application", subtype="octet-stream", filename="plan.dwg")
    with gate.smtp() as client:
        return transact(client, SENDER, ["bob@dest.test"], letter.as_bytes())


def test_an_operator_excepts_a_sender_whose_attachment_was_refused(gate: Gate, people: People) -> None:
    code, text = send_drawing(gate)
    assert code == 554, text
    envelopes = [event.ballot.envelope for event in gate.events("mail-refused") if isinstance(event, MailRefused)]
    [refused] = [envelope.id for envelope in envelopes if envelope.sender == SENDER]
    page, path = f"/mails/{refused}", f"/mails/{refused}/attachment"
    with people.signed_in("owner") as owner, people.signed_in("operator") as browser:
        wait_for(lambda: browser.get(page).status_code == 200)
        assert path not in owner.get(page).text
        assert send_form(owner, page, path, extensions="dwg", reason="a tender").status_code == 403
        assert 'name="extensions" value="dwg"' in browser.get(page).text
        assert send_form(browser, page, path, extensions="dwg").status_code == 422
        answer = send_form(browser, page, path, extensions="dwg", until="2099-12-24", reason="a tender")
        assert answer.headers["location"] == f"{page}?done=attachment"
    [exception] = gate.json("rules", "show", "acme")["exceptions"]
    assert (exception["sender"], exception["reason"]) == (SENDER, "a tender")
    assert exception["until"].startswith("2099-12-25T00:00:00")
    assert send_drawing(gate)[0] == 250
    assert gate.varco("rules", "except", "acme", SENDER, "--remove", "--reason", "over").returncode == 0


def test_tokens_and_dead_letters_can_be_taken_out_as_tables(gate: Gate, people: People) -> None:
    name = "the printer"
    assert gate.varco("tokens", "issue", name, "--account", "acme").returncode == 0
    with people.signed_in("owner") as owner, people.signed_in("auditor") as auditor:
        wait_for(lambda: name in owner.get("/tokens.csv").text)
        assert owner.get("/tokens.csv", params={"account": "other"}).status_code == 403
        assert name in auditor.get("/tokens.csv", params={"account": "acme"}).text
        assert auditor.get("/audit/deadletters.csv").text.startswith("id,service,stream,sequence,")
        assert owner.get("/audit/deadletters.csv").status_code == 403


def test_a_token_is_issued_only_for_an_operators_own_password(gate: Gate, people: People) -> None:
    with people.signed_in("operator") as browser:
        for proof in ("", "another password"):
            answer = send_form(browser, "/tokens", name="stolen", proof=proof)
            assert answer.status_code == 422
            assert "varco_admin_" not in answer.text
        assert "varco_admin_" in send_form(browser, "/tokens", name="the scanner", proof=PASSWORD).text
    names = {token["name"] for token in gate.json("tokens", "list")}
    assert "the scanner" in names
    assert "stolen" not in names
