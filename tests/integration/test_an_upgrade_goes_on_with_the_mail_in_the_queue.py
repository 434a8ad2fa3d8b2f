"""A home of the version of 29 November 2026, with queued mail, starts under this version.

homes/2026-11-29.tar.xz contains account acme with every section; eight mails for a next hop that
was down, two of them deferred and one of those held; one converted attachment; a refusal; two bans.
Its objects are in SeaweedFS.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, wait_for

HOME = Path(__file__).parent / "homes" / "2026-11-29.tar.xz"
NEXT_HOP = ("127.0.0.77", 2599)  # where the home's route leads
AGES = {"VARCO_NATS_MAIL_DAYS": "36500", "VARCO_RELAY_GIVE_UP": "36500 days"}  # its mails are old by now


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    place = tmp_path_factory.mktemp("upgraded")
    with tarfile.open(HOME) as archive:
        archive.extractall(place, filter="fully_trusted")
    gate = Gate(place / "home", **AGES)
    gate.start()
    yield gate
    assert gate.stop() == 0


def test_settings_bans_links_and_copies_are_there(upgraded: Gate) -> None:
    acme = upgraded.json("show", "acme")
    assert acme["senders"] == ["@acme.test", "sales@partner.test"]
    assert acme["rules"]["max_size"] == "2MB"
    assert acme["quotas"]["messages"] == {"limit": 9, "per": "1 day"}
    assert acme["route"] == {"smarthost": "127.0.0.77:2599", "tls": "none", "login": "gate", "oauth": None}
    assert [ban["network"] for ban in upgraded.json("bans", "list")] == ["203.0.113.7"]
    assert [link["name"] for link in upgraded.json("links", "list")["links"]] == ["big.pdf"]
    assert upgraded.json("archive", "status")[0]["copies"] == 8


def test_domains_in_use_count_as_vouched_for(upgraded: Gate) -> None:
    domains = upgraded.json("domains", "list", "acme")
    assert {entry["domain"]: entry["status"] for entry in domains} == {
        "acme.test": "vouched",
        "partner.test": "vouched",
    }
    assert not any(entry["added"] for entry in domains)
    token = upgraded.json("tokens", "issue", "partner", "--account", "acme")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=upgraded.apis()["policy"], headers=headers, timeout=60) as account:
        assert account.put("/accounts/acme/senders/@new.acme.test").status_code == 200
        refused = account.put("/accounts/acme/senders/@other.test")
        assert (refused.status_code, "other.test is not proven" in refused.json()["detail"]) == (403, True)
        assert account.delete("/accounts/acme/senders/@new.acme.test").status_code == 200


def test_the_linked_file_was_moved_out_of_seaweedfs(upgraded: Gate) -> None:
    [link] = upgraded.json("links", "list")["links"]
    name = link["url"].rpartition("/")[2]
    answer = httpx.get(f"http://127.0.0.1:{upgraded.ports.links}/files/{name}")
    assert (answer.status_code, len(answer.content)) == (200, link["size"])
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()[:40]}"'
    assert not [*upgraded.home.path.glob("s3*")]
    assert set(upgraded.json("status")["processes"]) & {"s3"} == set()


def test_the_queue_is_delivered_and_what_was_held_stays_held(upgraded: Gate) -> None:
    queued = {mail["failures"][0]["recipient"]: mail for mail in upgraded.json("queue", "list")["mails"]}
    assert {recipient: mail["held"] for recipient, mail in queued.items()} == {
        "later@dest.test": False,
        "held@dest.test": True,
    }
    hop = Hop(NEXT_HOP[1], host=NEXT_HOP[0])
    hop.server.logins = {"gate": "next-hop-secret"}  # the sealed password is still known
    try:
        upgraded.varco("queue", "retry", queued["later@dest.test"]["mail"])
        waited = ["r0", "r1", "r2", "r3", "big", "heavy", "later"]
        for name in waited:
            hop.mail_for(f"{name}@dest.test", 60)
        assert hop.server.for_recipient("done@dest.test") == []  # delivered before the upgrade
        assert b"https://files.acme.test/files/" in hop.mail_for("heavy@dest.test").content
        wait_for(lambda: upgraded.json("queue", "list")["total"] == 1)
        assert hop.server.for_recipient("held@dest.test") == []
        upgraded.varco("queue", "release", queued["held@dest.test"]["mail"])
        hop.mail_for("held@dest.test", 60)
    finally:
        hop.close()


def test_its_past_is_told_and_decided_again(upgraded: Gate) -> None:
    refused = upgraded.json("events", "list", "--fact", "mail-refused")[0]
    assert upgraded.varco("trace", refused["event"]["ballot"]["envelope"]["id"]).returncode == 0
    verified = upgraded.varco("replay", "verify", "--since", "2026-11-28")
    assert verified.returncode == 0, verified.stdout + verified.stderr
