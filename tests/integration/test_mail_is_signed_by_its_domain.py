"""A domain is proven and its key published: from then on its mail leaves signed."""

from collections.abc import Callable, Iterator

import dkim
import pytest

from tests.integration.conftest import ACME, Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.testing.dns import DnsServer, dns_server


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


def test_mail_is_signed_by_its_domain(own_gate: Callable[..., Gate], hop: Hop, dns: DnsServer) -> None:
    gate = own_gate(VARCO_RESOLVER=dns.address)
    gate.apply(ACME.format(port=hop.server.port))
    send(gate, "unsigned@dest.test")
    assert b"DKIM-Signature" not in hop.mail_for("unsigned@dest.test").body
    assert "unsigned: no published key of acme.test" in trace(gate, "unsigned@dest.test")
    added = gate.json("domains", "add", "acme", "acme.test", "--ed25519")
    for record in (added["record"], *(key["record"] for key in added["keys"])):
        dns.add_txt(record["name"], record["value"])
    checked = gate.json("domains", "check", "acme", "acme.test")
    assert (checked["status"], [key["status"] for key in checked["keys"]]) == ("proven", ["signs", "signs"])
    wait_for(lambda: is_signed(gate, hop))
    content = hop.server.received[-1].content
    published = {key["record"]["name"].encode(): key["record"]["value"].encode() for key in added["keys"]}
    for index in (0, 1):
        assert dkim.DKIM(content).verify(index, dnsfunc=lambda name, timeout=0: published[name.rstrip(b".")])


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
