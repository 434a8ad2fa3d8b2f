"""Links in the console: an owner sees who downloaded what, extends and revokes their own alone."""

from email.message import EmailMessage
from email.policy import SMTP

import httpx
import pytest

from tests.integration.console_people import People, send_form
from tests.integration.gate import Gate, transact, wait_for

ATELIER = """\
account: atelier
senders: ["@atelier.test"]
networks: ["127.0.0.112/32"]
route: blackhole
rules: {max_size: 2MB, attachments: {allow: [pdf]}}
filelink: {over: 1MB, keep: 12 months}
"""
PDF = b"%PDF-1.7\n" + bytes(1_500_000)


@pytest.fixture(scope="module")
def people(gate: Gate) -> People:
    people = People(gate)
    gate.apply(ATELIER)
    people.add("nina", "owner", "atelier")
    return people


def linked(gate: Gate) -> dict:
    """The link of one more mail."""
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = "nina@atelier.test", "bob@dest.test", "plans"
    letter.set_content("The plans.\n")
    letter.add_attachment(PDF, maintype="application", subtype="pdf", filename="plans.pdf")
    with gate.smtp("127.0.0.112") as client:
        code, text = transact(client, "nina@atelier.test", ["bob@dest.test"], letter.as_bytes())
    assert code == 250, text
    [link] = wait_for(lambda: gate.json("links", "list", "--mail", text.split()[-1])["links"])
    return link


def test_an_owner_sees_downloads_and_extends_and_revokes_their_links(gate: Gate, people: People) -> None:
    link = linked(gate)
    assert httpx.get(link["url"], timeout=60).content == PDF
    query = {"mail": link["mail"], "name": "PLANS"}
    with people.signed_in("nina") as browser, people.signed_in("owner") as stranger:
        wait_for(lambda: "127.0.0.1" in browser.get("/links", params=query).text)
        assert f",plans.pdf,{len(PDF)}," in "," + browser.get("/links.csv", params=query).text.splitlines()[1]
        assert "plans.pdf" not in stranger.get("/links", params=query).text
        paths = f"/links/{link['link']}/extend", f"/links/{link['link']}/revoke"
        assert send_form(stranger, "/links", paths[0], until="2027-11-01").status_code == 404
        assert send_form(stranger, "/links", paths[1], reason="not mine").status_code == 404
        day = link["expires_at"][:10]
        assert send_form(browser, "/links", paths[0], until=day, reason="asked").status_code == 303
        assert gate.json("links", "show", link["link"])["expires_at"].startswith(f"{day}T23:59:59")
        assert send_form(browser, "/links", paths[1]).status_code == 422
        assert send_form(browser, "/links", paths[1], reason="wrong person").status_code == 303
    assert gate.json("links", "show", link["link"])["state"] == "revoked"
    assert httpx.get(link["url"], timeout=60).status_code == 410
