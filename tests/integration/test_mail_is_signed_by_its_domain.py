"""A domain is proven and its key published: from then on its mail leaves signed.

Two other implementations verify it, with the records that the DNS has.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dkim
import dns.resolver
import pytest
from dns.nameserver import Do53Nameserver

from tests.integration.conftest import ACME, Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.testing.dns import DnsServer, dns_server

OPENDKIM = shutil.which("opendkim") or "/usr/sbin/opendkim"


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


def test_mail_is_signed_by_its_domain(own_gate: Callable[..., Gate], hop: Hop, zone: DnsServer, tmp_path: Path) -> None:
    gate = own_gate(VARCO_RESOLVER=zone.address)
    gate.apply(ACME.format(port=hop.server.port))
    send(gate, "unsigned@dest.test")
    assert b"DKIM-Signature" not in hop.mail_for("unsigned@dest.test").body
    assert "unsigned: no published key of acme.test" in trace(gate, "unsigned@dest.test")
    added = gate.json("domains", "add", "acme", "acme.test", "--ed25519")
    for record in (added["record"], *(key["record"] for key in added["keys"])):
        zone.add_txt(record["name"], record["value"])
    checked = gate.json("domains", "check", "acme", "acme.test")
    assert (checked["status"], [key["status"] for key in checked["keys"]]) == ("proven", ["signs", "signs"])
    names = [key["record"]["name"] for key in added["keys"]]
    assert of_check(checked, "DKIM")["text"] == f"signed with {', '.join(names)}"
    wait_for(lambda: is_signed(gate, hop))
    content = hop.server.received[-1].content
    for index in (0, 1):
        assert dkim.DKIM(content).verify(index, dnsfunc=lambda name, timeout=0: looked_up(zone, name.decode()).encode())
    if Path(OPENDKIM).exists():
        verified_by_opendkim(content, {name: looked_up(zone, name) for name in names}, tmp_path)
    zone.remove(names[0], "TXT")
    found = of_check(gate.json("domains", "check", "acme", "acme.test"), "DKIM")
    assert (found["colour"], found["record"]) == ("red", f'{names[0]} TXT "{added["keys"][0]["record"]["value"]}"')


def of_check(shown: Any, check: str) -> Any:
    return next(finding for finding in shown["reputation"]["findings"] if finding["check"] == check)


def looked_up(zone: DnsServer, name: str) -> str:
    """The TXT record as a verifier gets it, its strings joined."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [Do53Nameserver("127.0.0.1", zone.port)]
    (record,) = resolver.resolve(name, "TXT", lifetime=30)
    return b"".join(record.strings).decode()


def verified_by_opendkim(content: bytes, records: dict[str, str], folder: Path) -> None:
    """opendkim asks port 53 alone, so the records come from a file."""
    mail, zone, settings = folder / "mail", folder / "zone", folder / "opendkim.conf"
    mail.write_bytes(content)
    zone.write_text("".join(f"{name} {value}\n" for name, value in records.items()))
    settings.write_text(f"Mode v\nSyslog no\nTestDNSData file:{zone}\n")
    command = [OPENDKIM, "-x", settings, "-t", mail]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "verification (s=varco1, d=acme.test, 2048-bit key) succeeded" in done.stdout + done.stderr


def is_signed(gate: Gate, hop: Hop) -> bool:
    """relay learns of the key a moment after the command."""
    recipient = f"signed-{len(hop.server.received)}@dest.test"
    send(gate, recipient)
    signed = hop.mail_for(recipient).body.startswith(b"DKIM-Signature: v=1;")
    assert not signed or "signed by acme.test (varco1, varco1e)" in trace(gate, recipient)
    return signed


def send(gate: Gate, recipient: str) -> None:
    with gate.smtp() as client:
        assert transact(client, "alice@acme.test", [recipient], mail("alice@acme.test"))[0] == 250


def trace(gate: Gate, recipient: str) -> str:
    """What the trace of the last mail to this recipient says of its delivery."""

    def delivered() -> str:
        done = gate.varco("trace", recipient)
        return done.stdout if "delivered to" in done.stdout else ""

    return wait_for(delivered)
