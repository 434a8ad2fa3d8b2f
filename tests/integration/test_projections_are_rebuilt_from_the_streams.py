"""Every service's tables can be rebuilt from the streams, equal to the live ones.

A changed row is found.
"""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ACME, Hop
from tests.integration.gate import Gate, mail, transact, wait_for

BUSY = """\
account: acme
quotas:
  messages: {limit: 50, per: 1 day}
filelink: {over: 200KB, keep: 12 months}
archive: {pop3: {login: archive@acme.test, password: another-secret}, forward: boss@acme.test, keep: 7 days,
  senders_told: "a test"}
"""
OF_SERVICE = {
    "archive": ["archives", "copies", "marks", "senders"],
    "audit": [
        "balance_debts",
        "balance_hours",
        "dead-letters",
        "events",
        "facts",
        "mail_texts",
        "others",
        "packed_events",
        "recipients",
        "subjects",
    ],
    "banguard": ["account-texts", "accounts", "claimed-names", "gate", "hosts", "known-logins", "trusted"],
    "console": ["people"],
    "domains": ["domains", "reputations"],
    "filelink": ["account-texts", "links", "terms"],
    "policy": ["accounts", "admin-tokens", "domains"],
    "ratelimit": ["account-texts", "counted", "met", "quotas"],
    "relay": [
        "account-texts",
        "domains",
        "oauth_tokens",
        "queue",
        "route_rules",
        "routes",
        "sts_policies",
        "tls_results",
    ],
}


def heavy() -> bytes:
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = "alice@acme.test", "bob@dest.test", "i disegni"
    letter.set_content("Ecco.\n")
    pdf = b"%PDF-1.7\n" + random.Random(7).randbytes(300_000)
    letter.add_attachment(pdf, maintype="application", subtype="pdf", filename="disegni.pdf")
    return letter.as_bytes().replace(b"\r\n.", b"\r\n..")


def traffic(gate: Gate, hop: Hop) -> None:
    """Sends mails of every outcome: delivered, deferred, bounced, converted, refused, struck."""
    gate.apply(BUSY)
    with gate.smtp() as client:
        for number in range(5):
            answer = transact(client, "alice@acme.test", [f"ok{number}@dest.test"], mail("alice@acme.test"))
            assert answer[0] == 250, answer
        assert transact(client, "alice@acme.test", ["heavy@dest.test"], heavy())[0] == 250
        assert transact(client, "eve@evil.test", ["ok@dest.test"], mail("eve@evil.test"))[0] == 550
    hop.mail_for("heavy@dest.test")
    gate.varco("bans", "ignore", "198.51.100.7", "--reason", "a test")
    wait_for(lambda: len(gate.events("copy-forwarded")) == 6)
    wait_for(lambda: gate.json("archive", "status")[0]["copies"] == 6)


def rebuilt(gate: Gate, service: str, *options: str) -> dict[str, Any]:
    """Returns the report of `varco replay rebuild`, equal or not."""
    done = gate.varco("replay", "rebuild", service, "--json", *options)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, hop: Hop) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("busy") / "home")
    gate.start()
    try:
        gate.apply(ACME.format(port=hop.server.port))
        traffic(gate, hop)
        yield gate
    finally:
        assert gate.stop() == 0


@pytest.mark.parametrize("service", sorted(OF_SERVICE))
def test_a_busy_service_s_tables_are_equal_to_those_made_anew(busy: Gate, service: str):
    found = rebuilt(busy, service)
    assert found["differences"] == []
    assert found["done"] == {"equal": True, "swap": ""}
    assert sorted(one["table"] for one in found["tables"]) == OF_SERVICE[service]
    assert sum(one["rows"] for one in found["tables"]) > 0
    assert not list((busy.home.path / "data").glob("*rebuil*"))


def tamper(gate: Gate, service: str, statement: str) -> None:
    with closing(sqlite3.connect(gate.home.path / "data" / f"{service}.sqlite")) as connection, connection:
        assert connection.execute(statement).rowcount == 1


TAMPERED = {
    "audit": ("UPDATE events SET sender = 'mallory@evil.test' WHERE sequence = 9", ("events", "9", "sender")),
    "policy": (
        "UPDATE states SET document = replace(document, 'sales@', 'spy@') WHERE projection = 'accounts' AND key = 'acme'",
        ("accounts", "acme", "senders"),
    ),
    "ratelimit": ("DELETE FROM counted WHERE sequence = (SELECT min(sequence) FROM counted)", ("counted", "", "row")),
    "archive": (
        "UPDATE copies SET sender = 'mallory@evil.test' WHERE id = (SELECT min(id) FROM copies)",
        ("copies", "", "sender"),
    ),
    "relay": ("DELETE FROM states WHERE projection = 'routes' AND key = 'acme'", ("routes", "acme", "row")),
}


@pytest.mark.parametrize("service", sorted(TAMPERED))
def test_a_tampered_row_is_found_named_and_gone_after_a_swap(busy: Gate, service: str):
    statement, (table, key, place) = TAMPERED[service]
    tamper(busy, service, statement)
    found = rebuilt(busy, service)
    assert not found["done"]["equal"]
    [difference] = [one for one in found["differences"] if one["place"].startswith(place)][:1]
    assert (difference["table"], key in difference["key"]) == (table, True)
    assert {one["table"] for one in found["differences"]} == {table}
    before = busy.pid(service)
    swapped = rebuilt(busy, service, "--swap", "--restart")
    assert Path(swapped["done"]["swap"]).name == f"{service}.rebuilt.sqlite"
    wait_for(lambda: busy.pid(service) != before and busy.ready(), 60)
    [kept] = (busy.home.path / "data").glob(f"{service}.before-*.sqlite")
    assert kept.stat().st_size > 0
    assert rebuilt(busy, service)["done"]["equal"]


def test_a_secret_is_not_shown_when_it_differs(busy: Gate):
    with closing(sqlite3.connect(busy.home.path / "data" / "archive.sqlite")) as connection, connection:
        changed = connection.execute(
            "UPDATE states SET document = replace(document, '$argon2id$', '$argon2i$') WHERE projection = 'archives'"
        )
        assert changed.rowcount == 1
    shown = [one for one in rebuilt(busy, "archive")["differences"] if one["place"].endswith("hash")]
    assert [(one["live"], one["rebuilt"]) for one in shown] == [("***", "***")]


def test_a_service_without_tables_and_one_that_is_not_there_say_so(busy: Gate):
    assert busy.varco("replay", "rebuild", "ingress-smtp").returncode == 1
    answer = busy.varco("replay", "rebuild", "postfix")
    assert (answer.returncode, "postfix" in answer.stderr) == (3, True)
