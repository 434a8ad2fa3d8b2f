"""Closing an account names its links and waiting mail, and ends those that the operator names."""

from collections.abc import Callable

import httpx

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from tests.integration.test_a_heavy_attachment_becomes_a_link import STUDIO, letter

HOST, SENDER, LINKED, LATER = "127.0.0.9", "anna@studio.test", "closing@dest.test", "closing-later@dest.test"


def test_what_a_closing_account_has_ends_where_it_is_named_and_else_lives_on(own_gate: Callable[..., Gate], hop: Hop):
    gate = own_gate()
    gate.apply(STUDIO.format(port=hop.server.port))
    hop.server.answer(LATER, *["451 4.3.0 later"] * 1_000)
    with gate.smtp(HOST) as client:
        wire = letter()
        assert transact(client, SENDER, [LINKED], wire, f"SIZE={len(wire)}")[0] == 250
        assert transact(client, SENDER, [LATER], mail(SENDER))[0] == 250
    hop.mail_for(LINKED)
    [link] = wait_for(lambda: gate.json("links", "list", "--account", "studio")["links"])
    wait_for(lambda: gate.json("queue", "list", "--account", "studio")["mails"])

    asked = gate.varco("accounts", "close", "studio", "--reason", "contract ended")
    assert asked.returncode == 2, "there is no terminal to ask at"
    assert "1 links stay until their own end" in asked.stdout
    assert "1 mails wait for another attempt and are still tried" in asked.stdout

    close = ("accounts", "close", "studio", "--reason", "contract ended", "--yes")
    assert gate.json(*close)["mails_dropped"] == 0
    assert gate.json("queue", "list", "--account", "")["total"] == 1, "it is tried until its own end"
    assert gate.json("links", "show", link["link"])["state"] == "live"

    gate.apply(STUDIO.format(port=hop.server.port))
    ended = gate.json(*close, "--revoke-links", "--drop-queue")
    assert (ended["links_revoked"], ended["mails_dropped"]) == (1, 1)
    assert gate.json("links", "show", link["link"])["state"] == "revoked"
    assert gate.json("queue", "list", "--account", "")["total"] == 0
    assert httpx.get(link["url"]).status_code == 410
    hop.server.script.pop(LATER)
