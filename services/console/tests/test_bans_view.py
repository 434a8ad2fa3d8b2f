"""Bans are found by whatever their strikes name, and say who did what."""

from datetime import UTC, datetime

import pytest

from varco_common.events import PersonRole
from varco_console.html_pages.bans.routes import AskedBans
from varco_console.html_pages.bans.view import BansAnswers, BansQuestion, ban_lines, bans_page
from varco_console.model import Person


def strike(**more: str) -> dict:
    return {
        "at": "2026-11-29T12:00:00Z",
        "cause": "wrong-credentials",
        "host": "192.0.2.7",
        "login": "",
        "sender": "",
        "mail": "",
    } | more


def ban(network: str, *evidence: dict, by: str = "service:banguard", reason: str = "") -> dict:
    since = "2026-11-29T12:00:00Z"
    return {
        "network": network,
        "since": since,
        "until": None,
        "count": 1,
        "by": by,
        "reason": reason,
        "evidence": [*evidence],
    }


BANS = [
    ban("192.0.2.7", strike(login="Mario@acme.example"), strike(mail="06eqkv3g8w3x5m7n2p4q", sender="boss@x.example")),
    ban("192.0.2.8", by="person:anna", reason="scans"),
    ban("192.0.2.9", by="token:ab12", reason="scans"),
]


def page(question: BansQuestion, role: PersonRole = PersonRole.OPERATOR, size: int = 50):
    person = Person(name="anna", role=role, account="" if role.sees_all else "acme", added_at=datetime.now(UTC))
    return bans_page(question, BansAnswers(BANS, [], [], "", None), {"ab12": "scanner"}, person, page=size)


@pytest.mark.parametrize("what", ["192.0.2.7", "mario@", "boss@x", "06eqkv3g8w3x5m7n2p4q"])
def test_a_ban_is_found_by_its_host_and_by_its_strikes(what):
    assert [line.network for line in page(BansQuestion(what)).bans] == ["192.0.2.7"]


def test_who_banned_by_hand_is_named():
    assert [line.by for line in page(BansQuestion()).bans] == ["service:banguard", "anna", "scanner"]


def test_bans_come_in_pages_that_keep_the_filter():
    view = page(BansQuestion("192.0.2"), size=2)
    assert (len(view.bans), view.total, view.next) == (2, 3, "what=192.0.2&after=2")
    assert page(BansQuestion("192.0.2", after=2), size=2).next == ""


def test_only_operators_ban_by_hand():
    assert page(BansQuestion()).may_ban
    assert not page(BansQuestion(), PersonRole.OWNER).may_ban
    assert not page(BansQuestion(), PersonRole.AUDITOR).may_ban


def test_the_strikes_are_one_cell_of_the_export():
    [line] = ban_lines(BANS[:1], {})
    assert line.row()[-1] == (
        "2026-11-29T12:00:00Z wrong-credentials Mario@acme.example; "
        "2026-11-29T12:00:00Z wrong-credentials boss@x.example 06eqkv3g8w3x5m7n2p4q"
    )


@pytest.mark.parametrize(
    ("host", "asked"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::/64", "2001:db8::/64"), ("../rules", ""), (".", ""), ("", "")],
)
def test_what_is_no_address_is_not_asked_for(host, asked):
    assert AskedBans(host=host).question().host == asked
