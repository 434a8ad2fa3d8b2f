"""DANE and MTA-STS: what a recipient's domain asks of TLS is kept, or its mail waits."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from varco_common.dns import Resolver, TlsaRecord
from varco_common.events import (
    DirectDelivery,
    MailBounced,
    MailDeferred,
    MailDelivered,
    RouteFailed,
    RouteRule,
    RouteRulesSet,
    RouteSet,
    Smarthost,
    StsMode,
    StsPolicyFetched,
    TlsUse,
)
from varco_common.testing.certificates import Certificate, self_signed
from varco_common.testing.dns import DnsServer, dns_server
from varco_common.testing.next_hop import NextHop
from varco_relay.model.sts_policy import StsPolicy, parse_policy, policy_id
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.dane import mismatch
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.mx_lookup import MxHosts
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_policies import PolicyStore, TlsPolicies

from .pools import QUICK

NOW = datetime.now(UTC)
SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}
MX = "mx.a.example"
POLICY = f"version: STSv1\r\nmode: enforce\r\nmx: {MX}\r\nmax_age: 86400\r\n"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """a.example with its MX on loopback, proven by DNSSEC."""
    with dns_server() as server:
        server.add("a.example", "MX", f"10 {MX}.")
        server.add(MX, "A", "127.0.0.1")
        for name in ("a.example", MX):
            server.sign(name)
        yield server


async def direct(gate) -> None:
    await gate.account()
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=DirectDelivery()))


def relay(gate, dns: DnsServer, hop: NextHop, **more):
    settings = {"resolver_servers": (dns.address,), "mx_port": hop.port, "private_routes": True, **SLOW, **more}
    return gate.relay(**settings)


def add_tlsa(dns: DnsServer, hop: NextHop, usage: int, certificate: Certificate, *, signed: bool = True) -> None:
    """A TLSA record with the SHA-256 of the certificate's public key."""
    digest = hashlib.sha256(public_key(der_of(certificate))).hexdigest()
    name = f"_{hop.port}._tcp.{MX}"
    dns.add(name, "TLSA", f"{usage} 1 1 {digest}")
    if signed:
        dns.sign(name)


def der_of(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())


def public_key(der: bytes) -> bytes:
    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


async def test_dane_takes_the_certificate_that_the_domain_names(gate, dns, hop: NextHop, tmp_path):
    certificate = self_signed(tmp_path, "whatever.test")
    hop.context = certificate.server
    add_tlsa(dns, hop, 3, certificate)
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDelivered)
    assert event.tls


async def test_dane_refuses_any_other_certificate_and_does_without_tls_never(gate, dns, hop: NextHop, tmp_path):
    add_tlsa(dns, hop, 3, self_signed(tmp_path, MX, file="named"))
    hop.context = self_signed(tmp_path, MX, file="other").server
    await direct(gate)
    async with relay(gate, dns, hop, ca_file=str(tmp_path / "other.crt")):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDeferred)
        assert "doesn't match the TLSA records" in event.failures[0].answer
    assert hop.received == []


async def test_dane_needs_tls(gate, dns, hop: NextHop, tmp_path):
    add_tlsa(dns, hop, 3, self_signed(tmp_path, MX))
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDeferred)
    assert "doesn't offer STARTTLS" in event.failures[0].answer
    assert hop.received == []


async def test_tlsa_records_that_nothing_proves_are_not_heeded(gate, dns, hop: NextHop, tmp_path):
    add_tlsa(dns, hop, 3, self_signed(tmp_path, MX), signed=False)
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered)


async def test_a_suppressed_tlsa_answer_is_no_way_around_dane(gate, dns, hop: NextHop):
    """RFC 7672 2.1.2."""
    dns.fail(f"_{hop.port}._tcp.{MX}", "SERVFAIL")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDeferred)
    assert "whether it has TLSA records isn't known" in event.failures[0].answer
    assert hop.received == []


def issued(issuer_key, issuer: str, name: str, *, days: int = 2) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """A certificate (DER) for `name`, and its key. Without an issuer's key it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=5))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer_key or key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER), key


def test_a_trust_anchor_vouches_for_the_hosts_that_it_signed():
    anchor, anchor_key = issued(None, "anchor", "anchor")
    record = TlsaRecord(2, 1, 1, hashlib.sha256(public_key(anchor)).digest())
    leaf, _ = issued(anchor_key, "anchor", MX)
    assert mismatch([record], [leaf, anchor], MX, NOW) == ""
    assert "is not for other.example" in mismatch([record], [leaf, anchor], "other.example", NOW)
    wildcard, _ = issued(anchor_key, "anchor", "*.a.example")
    assert mismatch([record], [wildcard, anchor], MX, NOW) == ""
    assert mismatch([record], [wildcard, anchor], "x.mx.a.example", NOW)
    late, _ = issued(anchor_key, "anchor", MX, days=-1)
    assert "not valid now" in mismatch([record], [late, anchor], MX, NOW)
    forged, _ = issued(None, "anchor", MX)
    assert "don't lead to" in mismatch([record], [forged, anchor], MX, NOW)
    assert "doesn't match" in mismatch([record], [leaf], MX, NOW)


@pytest.mark.parametrize(
    ("selector", "matching", "digest"),
    [
        (0, 0, lambda data: data),
        (0, 1, lambda data: hashlib.sha256(data).digest()),
        (1, 2, lambda data: hashlib.sha512(data).digest()),
    ],
)
def test_each_way_to_name_a_certificate_is_known(selector, matching, digest):
    leaf, _ = issued(None, "old.test", "old.test", days=-1)
    data = leaf if selector == 0 else public_key(leaf)
    assert mismatch([TlsaRecord(3, selector, matching, digest(data))], [leaf], MX, NOW) == ""
    assert mismatch([TlsaRecord(3, selector, matching, digest(data + b"x"))], [leaf], MX, NOW)


def test_records_that_cannot_be_used_authenticate_nobody_and_refuse_nobody():
    leaf, _ = issued(None, "a.test", "a.test")
    for record in (TlsaRecord(1, 1, 1, b"x"), TlsaRecord(3, 2, 1, b"x"), TlsaRecord(3, 1, 9, b"x")):
        assert mismatch([record], [leaf], MX, NOW) == ""
    assert "can't be read" in mismatch([TlsaRecord(3, 1, 1, b"x")], [b"no certificate"], MX, NOW)


# mx:name with tls: required


async def named(gate, hop: NextHop) -> None:
    """a.example is the name of the account's next hop, as `mx:a.example`."""
    await gate.account()
    secret = SecretBox.from_file(gate.home / "secrets" / "relay.key").encrypt("secret")
    way = Smarthost(host="a.example", port=hop.port, mx=True, tls=TlsUse.REQUIRED, login="gate", secret=secret)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=way))
    hop.logins = {"gate": "secret"}


@pytest.fixture
def forged() -> Iterator[DnsServer]:
    """Somebody makes the DNS name a host of their own, for which they have a certificate."""
    with dns_server() as server:
        server.add("a.example", "MX", "10 mx.evil.example.")
        server.add("mx.evil.example", "A", "127.0.0.1")
        yield server


async def test_a_host_that_only_plain_dns_names_gets_no_password_for_its_own_certificate(
    gate, forged: DnsServer, hop: NextHop, tmp_path
):
    certificate = self_signed(tmp_path, "mx.evil.example")
    hop.context = certificate.server
    await named(gate, hop)
    async with relay(gate, forged, hop, ca_file=str(certificate.certificate)) as client:
        await gate.mail("one@x.example")
        (failed,) = await gate.facts.until(RouteFailed, timeout=60)
        checked = (await client.post("/accounts/acme/route/check")).json()
        tested = (await client.post("/accounts/acme/route/test")).json()
    assert "certificate is not valid for 'a.example'" in failed.why
    assert (checked["ready"], tested["ready"]) == (False, False)
    assert hop.received == []
    assert not any(command.startswith("AUTH") for command in hop.commands)


@pytest.mark.parametrize(
    ("host", "certified", "proof"),
    [
        ("mx.evil.example", "a.example", ""),
        (MX, MX, ""),
        ("mx.hoster.example", "mx.hoster.example", "dnssec"),
        ("mx.hoster.example", "mx.hoster.example", "sts"),
        ("mx.hoster.example", "whatever.test", "dane"),
    ],
)
async def test_a_host_is_trusted_that_belongs_to_the_name_or_is_proven(
    gate, hop: NextHop, tmp_path, host, certified, proof
):
    certificate = self_signed(tmp_path, certified, "mta-sts.a.example")
    hop.context = certificate.server
    hop.require_tls = True
    await named(gate, hop)
    with dns_server() as dns:
        dns.add("a.example", "MX", f"10 {host}.")
        dns.add(host, "A", "127.0.0.1")
        if proof in {"dnssec", "dane"}:
            dns.sign("a.example")
            dns.sign(host)
        if proof == "dane":
            digest = hashlib.sha256(public_key(der_of(certificate))).hexdigest()
            dns.add(f"_{hop.port}._tcp.{host}", "TLSA", f"3 1 1 {digest}")
            dns.sign(f"_{hop.port}._tcp.{host}")
        async with policy_server(dns, certificate.server, has_policy=proof == "sts") as server:
            server.policy = POLICY.replace(MX, host)
            more = {"ca_file": str(certificate.certificate), "mta_sts_port": server.port}
            async with relay(gate, dns, hop, **more):
                await gate.mail("one@x.example", require_tls=True)
                await gate.facts.until(MailDelivered, timeout=60)
    assert hop.received[0].login == "gate"
    assert "REQUIRETLS" in hop.received[0].parameters


async def test_a_mail_that_requires_tls_goes_to_no_host_that_only_plain_dns_names(gate, hop: NextHop, tmp_path):
    """RFC 8689 4.2.1. Its certificate is verified, and whose it is nobody knows."""
    certificate = self_signed(tmp_path, MX)
    hop.context, hop.require_tls = certificate.server, True
    await gate.account()
    route = DirectDelivery(tls=TlsUse.REQUIRED)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=route))
    with dns_server() as dns:
        dns.add("a.example", "MX", f"10 {MX}.")
        dns.add(MX, "A", "127.0.0.1")
        async with relay(gate, dns, hop, ca_file=str(certificate.certificate)):
            await gate.mail("one@a.example", require_tls=True)
            bounced = (await gate.facts.until(MailBounced, timeout=60))[0]  # its notification may bounce, too
            await gate.mail("two@a.example")
            await gate.facts.until(MailDelivered, timeout=60)
    assert bounced.failures[0].status == "5.7.30"
    assert hop.received[0].recipients == ("two@a.example",)


async def test_records_that_authenticate_nobody_take_no_certificate_away(gate, dns, hop: NextHop, tmp_path):
    """TLSA records that can't be used ask for TLS alone; the route asks for a certificate."""
    hop.context = self_signed(tmp_path, MX).server
    dns.add(f"_{hop.port}._tcp.{MX}", "TLSA", f"1 1 1 {'0' * 64}")
    dns.sign(f"_{hop.port}._tcp.{MX}")
    await gate.account()
    route = DirectDelivery(tls=TlsUse.REQUIRED)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=route))
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDeferred, timeout=60)
    assert "TLS: " in event.failures[0].answer
    assert hop.received == []


async def test_dane_is_checked_inside_tls_from_the_first_byte_too(hop: NextHop, tmp_path):
    """Ports with TLS from the start have no STARTTLS, after which it could be checked."""
    listener = await asyncio.start_server(hop._serve, "127.0.0.1", 0, ssl=self_signed(tmp_path, "a.test").server)
    port = listener.sockets[0].getsockname()[1]
    dialer = Dialer(name="gate.test", timeouts=QUICK)
    target = ImplicitTls(host="127.0.0.1", port=port, tls=TlsUse.REQUIRED, dane=(TlsaRecord(3, 1, 1, b"x" * 32),))
    with pytest.raises(RouteDown, match="DANE: "):
        await dialer.dial(target)
    listener.close()


class ImplicitTls(SmtpTarget):
    """As a target at port 465, which a test can't listen at."""

    implicit_tls = True


# The walk to a recipient


async def test_the_walk_to_a_recipient_meets_its_policy_its_host_and_its_certificate(gate, dns, hop: NextHop, tmp_path):
    certificate = self_signed(tmp_path, MX)
    hop.context = certificate.server
    add_tlsa(dns, hop, 3, certificate)
    await direct(gate)
    async with relay(gate, dns, hop) as client:
        checked = (await client.post("/accounts/acme/route/check", json={"to": "anna@a.example"})).json()
        tested = (await client.post("/accounts/acme/route/test", json={"to": "anna@a.example"})).json()
        hop.context = self_signed(tmp_path, MX, file="other").server
        refused = (await client.post("/accounts/acme/route/check", json={"to": "anna@a.example"})).json()
        nowhere = (await client.post("/accounts/acme/route/check", json={"to": "anna@nowhere.example"})).json()
        everywhere = (await client.post("/accounts/acme/route/check")).json()
    domain, host = checked["hops"]
    assert (domain["next_hop"], domain["steps"][0]["text"]) == (
        "mx",
        f"mail of a.example goes to {MX} (proven by DNSSEC)",
    )
    assert (host["next_hop"], host["used_for"]) == (f"{MX}:{hop.port}", "mail to anna@a.example")
    assert [step["step"] for step in host["steps"]] == ["policy", "dns", "connection", "tls"]
    assert host["steps"][0]["text"] == "DANE: 1 TLSA records name its certificate"
    assert "verified by DANE" in host["steps"][3]["text"]
    assert (checked["ready"], tested["ready"], bool(tested["tls"])) == (True, True, True)
    assert [(step["step"], step["ok"]) for step in refused["hops"][1]["steps"]][-1] == ("tls", False)
    assert (refused["ready"], nowhere["ready"]) == (False, False)
    assert "There is no domain nowhere.example" in nowhere["hops"][0]["steps"][0]["text"]
    assert everywhere["hops"] == []
    assert hop.received == []


async def test_the_walk_takes_the_rule_for_the_recipient(gate, dns, hop: NextHop):
    await direct(gate)
    rule = RouteRule(recipients=("@b.example",), route=Smarthost(host="127.0.0.1", port=hop.port))
    await gate.bus.events.append(RouteRulesSet(at=gate.now(), account="acme", rules=(rule,)))
    async with relay(gate, dns, hop) as client:
        (one,) = (await client.post("/accounts/acme/route/check", json={"to": "bob@b.example"})).json()["hops"]
        tested = (await client.post("/accounts/acme/route/test", json={"to": "bob@b.example"})).json()
    assert one["next_hop"] == f"127.0.0.1:{hop.port}"
    assert one["used_for"] == "mail to bob@b.example, by the rule for recipients @b.example"
    assert (one["ready"], tested["ready"], tested["goes_to"]) == (True, True, f"127.0.0.1:{hop.port} tls opportunistic")


# MTA-STS


class PolicyServer:
    """An HTTPS server with a policy; `requests` counts them."""

    def __init__(self) -> None:
        self.policy, self.status, self.kind = POLICY, "200 OK", "text/plain"
        self.requests = self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        content = self.policy.encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Type: {self.kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def policy_server(
    dns: DnsServer, context: ssl.SSLContext, *, has_policy: bool = True
) -> AsyncIterator[PolicyServer]:
    server = PolicyServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    dns.add("mta-sts.a.example", "A", "127.0.0.1")
    if has_policy:
        dns.add_txt("_mta-sts.a.example", "v=STSv1; id=1;")
    try:
        yield server
    finally:
        listener.close()


async def test_a_policy_is_enforced_and_outlives_a_restart_and_its_own_server(gate, dns, hop: NextHop, tmp_path):
    trusted = self_signed(tmp_path, MX, "mta-sts.a.example")
    hop.context = trusted.server
    await direct(gate)
    more = {"ca_file": str(trusted.certificate)}
    async with policy_server(dns, trusted.server) as server:
        more["mta_sts_port"] = server.port
        async with relay(gate, dns, hop, **more):
            await gate.mail("one@a.example")
            await gate.facts.until(MailDelivered)
            (fetched,) = await gate.facts.until(StsPolicyFetched)
    assert (fetched.domain, fetched.policy, fetched.mode, fetched.mx) == ("a.example", "1", StsMode.ENFORCE, (MX,))
    dns.remove("_mta-sts.a.example", "TXT")
    hop.context = self_signed(tmp_path, MX, file="other").server
    async with relay(gate, dns, hop, **more):
        await gate.mail("two@a.example")
        (event,) = await gate.facts.until(MailDeferred)
    assert "TLS: " in event.failures[0].answer
    assert len(hop.received) == 1
    assert hop.received[0].tls


async def test_mails_that_come_while_a_policy_is_fetched_wait_for_it(dns):
    dns.add_txt("_mta-sts.a.example", "v=STSv1; id=1;")
    asked, answered = asyncio.Event(), asyncio.Event()

    async def fetch(_: str) -> str:
        asked.set()
        await answered.wait()
        return POLICY

    async def append(_: StsPolicyFetched) -> None: ...

    store = PolicyStore(get=lambda _: None, append=append, now=lambda: datetime.now(UTC))  # it lags behind
    policies = TlsPolicies(Resolver([dns.address]), store, fetch)
    found = MxHosts(domain="a.example", hosts=(MX, "other.a.example"), validated=False)
    targets = [SmtpTarget(host=host, port=25, tls=TlsUse.OPPORTUNISTIC) for host in found.hosts]
    first = asyncio.create_task(policies.applied(targets[0], found))
    await asked.wait()
    second = asyncio.create_task(policies.applied(targets[1], found))
    await asyncio.sleep(0)
    assert not second.done()
    answered.set()
    allowed, refused = await first, await second
    assert isinstance(allowed, SmtpTarget)
    assert allowed.tls is TlsUse.REQUIRED
    assert refused == "the MTA-STS policy of a.example doesn't name other.a.example"


async def test_an_address_that_nobody_tells_is_no_way_around_dane(gate, dns, hop: NextHop):
    dns.fail(MX, "SERVFAIL")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDeferred)
    assert hop.received == []


async def test_a_host_that_the_policy_does_not_name_gets_nothing(gate, dns, hop: NextHop, tmp_path):
    trusted = self_signed(tmp_path, MX, "mta-sts.a.example")
    hop.context = trusted.server
    await direct(gate)
    async with policy_server(dns, trusted.server) as server:
        server.policy = POLICY.replace(MX, "other.a.example")
        async with relay(gate, dns, hop, ca_file=str(trusted.certificate), mta_sts_port=server.port):
            await gate.mail("one@a.example")
            (event,) = await gate.facts.until(MailDeferred)
    assert event.failures[0].answer == f"4.4.1 the MTA-STS policy of a.example doesn't name {MX}"
    assert hop.connections == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "404 Not Found"},
        {"status": "302 Found"},
        {"kind": "text/html"},
        {"policy": "version: STSv2\r\n"},
        {"policy": POLICY + "x" * 70_000},
        {"policy": POLICY.replace("enforce", "testing")},
        {"policy": "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n"},
    ],
)
async def test_without_a_policy_to_enforce_mail_is_sent_as_ever(gate, dns, hop: NextHop, tmp_path, broken):
    trusted = self_signed(tmp_path, "mta-sts.a.example")
    await direct(gate)
    async with policy_server(dns, trusted.server) as server:
        vars(server).update(broken)
        async with relay(gate, dns, hop, ca_file=str(trusted.certificate), mta_sts_port=server.port):
            await gate.mail("one@a.example")
            await gate.facts.until(MailDelivered)
            assert server.requests == 1


async def test_a_policy_server_nobody_vouches_for_sets_no_policy(gate, dns, hop: NextHop, tmp_path):
    await direct(gate)
    async with policy_server(dns, self_signed(tmp_path, "mta-sts.a.example").server) as server:
        async with relay(gate, dns, hop, mta_sts_port=server.port):
            await gate.mail("one@a.example")
            await gate.facts.until(MailDelivered)
        assert server.requests == 0
    assert gate.facts.of(StsPolicyFetched) == []


def test_a_policy_is_read_as_rfc_8461_writes_it():
    assert parse_policy(POLICY) == (StsMode.ENFORCE, (MX,), 86_400)
    for text in ("", "version: STSv1\nmode: enforce\nmax_age: 1", POLICY.replace("86400", "soon"), "mode: none"):
        with pytest.raises(ValueError, match=r".+"):
            parse_policy(text)
    assert policy_id(("v=STSv1; id=20261101;", "other")) == "20261101"
    assert policy_id(("v=STSv1; id=1", "v=STSv1; id=2")) == ""
    assert policy_id(("v=STSv10; id=1",)) == ""


def test_a_policy_holds_for_its_time_and_covers_its_hosts():
    policy = StsPolicy(policy="1", mode=StsMode.ENFORCE, mx=(MX, "*.p.example"), max_age=100, fetched_at=NOW)
    assert [policy.holds(NOW + timedelta(seconds=age)) for age in (0, 99, 100)] == [True, True, False]
    assert [policy.is_stale(NOW + timedelta(seconds=age)) for age in (0, 49, 50)] == [False, False, True]
    hosts = ("MX.a.example", "a.p.example", "p.example", "a.b.p.example", "a.example")
    assert [policy.allows(host) for host in hosts] == [True, True, False, False, False]
