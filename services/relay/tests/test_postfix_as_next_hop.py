"""Direct delivery to Postfix, with DANE: another's idea of SMTP at the far end."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from varco_common.events import DirectDelivery, MailBounced, MailDeferred, MailDelivered, RouteSet
from varco_common.testing.certificates import self_signed
from varco_common.testing.dns import dns_server
from varco_common.testing.next_hop import NextHop, recipients

from .postfix_hop import WHY_NOT, postfix_hop

MX = "mx.a.example"


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
async def test_postfix_takes_defers_and_refuses_over_tls_that_dane_proves(gate, hop: NextHop, tmp_path):
    certificate = self_signed(tmp_path, MX)
    key = x509.load_pem_x509_certificate(certificate.certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    async with postfix_hop(tmp_path / "postfix", hop.port, certificate) as port:
        with dns_server() as dns:
            dns.add("a.example", "MX", f"10 {MX}.")
            dns.add(MX, "A", "127.0.0.1")
            dns.add(f"_{port}._tcp.{MX}", "TLSA", f"3 1 1 {digest}")
            for name in ("a.example", MX, f"_{port}._tcp.{MX}"):
                dns.sign(name)
            await gate.account()
            await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=DirectDelivery()))
            settings = {"resolver_servers": (dns.address,), "mx_port": port, "private_routes": True}
            async with gate.relay(**settings, retry_first="1 hour", retry_longest="1 hour"):
                await gate.mail("one@a.example", "grey@a.example", "gone@a.example")
                (delivered,) = await gate.facts.until(MailDelivered, timeout=60)
                (deferred,) = await gate.facts.until(MailDeferred)
                (bounced,) = await gate.facts.until(MailBounced)
                for number in range(20):
                    await gate.mail(f"r{number}@a.example")
                await hop.got(21, timeout=60)
    assert (delivered.host, delivered.tls) == (f"{MX}:{port}", "TLSv1.3")
    assert deferred.failures[0].answer.startswith("450 4.2.0 <grey@a.example>: Recipient address rejected: greylisted")
    assert bounced.failures[0].answer.startswith("550 5.1.1 <gone@a.example>: Recipient address rejected: gone")
    assert sorted(recipients(hop.received)) == sorted(
        ["one@a.example", *(f"r{number}@a.example" for number in range(20))]
    )
