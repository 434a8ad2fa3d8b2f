"""TLS reports (RFC 8460): what is counted, who gets it, and that nobody gets it twice."""

import asyncio
import email
import gzip
import json
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dkim
import pytest

from varco_common.events import DirectDelivery, MailDeferred, MailDelivered, RouteSet, TlsReportSent
from varco_common.testing.certificates import self_signed
from varco_common.testing.dns import DnsServer, dns_server
from varco_common.testing.next_hop import NextHop, Received
from varco_common.testing.waiting import eventually
from varco_relay.smtp.tls_failures import result_of
from varco_relay.tls_reports.destinations import destinations, mailbox

from .test_dkim import key_for_acme
from .test_tls_policies import MX, POLICY, add_tlsa, policy_server

FROM = "tls-reports@acme.example"
RECORD = "v=TLSRPTv1;rua=mailto:tls@reports.example"
SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """a.example, which wants reports at reports.example; both have their MX on loopback."""
    with dns_server() as server:
        server.add("a.example", "MX", f"10 {MX}.")
        server.add("reports.example", "MX", "10 mx.reports.example.")
        server.add(MX, "A", "127.0.0.1")
        server.add("mx.reports.example", "A", "127.0.0.1")
        server.add_txt("_smtp._tls.a.example", RECORD)
        yield server


def relay(gate, dns: DnsServer, hop: NextHop, **more):
    settings = {"resolver_servers": (dns.address,), "mx_port": hop.port, "private_routes": True, **SLOW}
    return gate.relay(**settings | {"tls_reports_from": FROM} | more)


async def direct(gate) -> None:
    await gate.account()
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=DirectDelivery()))


def counted(gate) -> list[tuple[dict[str, object], dict[str, object], int]]:
    """Policy, failure and sessions of each row."""
    with closing(sqlite3.connect(gate.home / "data" / "relay.sqlite")) as database:
        rows = database.execute("SELECT policy, failure, sessions FROM tls_results ORDER BY failure").fetchall()
    return [(json.loads(policy), json.loads(failure or "{}"), sessions) for policy, failure, sessions in rows]


def a_day_passes(gate) -> str:
    """What was counted today was counted yesterday; returns that day."""
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    with closing(sqlite3.connect(gate.home / "data" / "relay.sqlite")) as database, database:
        assert database.execute("UPDATE tls_results SET day = ?", (day,)).rowcount
    return day


def parsed(report: bytes) -> dict[str, object]:
    """The report in a mail, read as RFC 8460 5.3 writes it."""
    message = email.message_from_bytes(report)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    text, attached = message.get_payload()
    assert text.get_content_type() == "text/plain"
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    begin, end = attached.get_filename().removesuffix(".json.gz").split("!")[2:]
    assert int(end) - int(begin) == 86_399
    assert attached.get_filename().startswith("acme.example!a.example!")
    return json.loads(gzip.decompress(attached.get_payload(decode=True)))


async def reported(hop: NextHop) -> Received:
    """The mail with the report."""

    async def came() -> bool:
        return bool(hop.for_recipient("tls@reports.example"))

    await eventually(came)
    (report,) = hop.for_recipient("tls@reports.example")
    return report


async def one_success_one_failure(gate, dns: DnsServer, hop: NextHop, tmp_path) -> None:
    """Of DANE: first its certificate, then another one."""
    named = self_signed(tmp_path, MX, file="named")
    for name in ("a.example", MX):
        dns.sign(name)
    add_tlsa(dns, hop, 3, named)
    await direct(gate)
    async with relay(gate, dns, hop):
        hop.context = named.server
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered, timeout=60)
    async with relay(gate, dns, hop):
        hop.context = self_signed(tmp_path, MX, file="other").server
        await gate.mail("two@a.example")
        await gate.facts.until(MailDeferred, timeout=60)


async def test_a_domain_that_asks_gets_one_signed_report_of_its_day(gate, dns, hop: NextHop, tmp_path):
    await one_success_one_failure(gate, dns, hop, tmp_path)
    day = a_day_passes(gate)
    async with relay(gate, dns, hop):
        key = await key_for_acme(gate)
        mail = await reported(hop)
        (event,) = await gate.facts.until(TlsReportSent, timeout=60)

        async def forgotten() -> bool:
            return not counted(gate)

        await eventually(forgotten)
    report, message = parsed(mail.content), email.message_from_bytes(mail.content)
    assert report["organization-name"] == "acme.example"
    assert report["contact-info"] == FROM
    assert report["date-range"] == {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"}
    assert report["report-id"] == event.report == f"{day}.a.example@acme.example"
    (policy,) = report["policies"]
    assert policy["policy"]["policy-type"] == "tlsa"
    assert policy["policy"]["policy-domain"] == MX
    assert policy["policy"]["policy-string"][0].startswith("3 1 1 ")
    assert policy["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 1}
    (details,) = policy["failure-details"]
    assert details.pop("failure-reason-code").startswith("DANE: ")
    assert details == {
        "result-type": "validation-failure",
        "sending-mta-ip": "127.0.0.1",
        "receiving-mx-hostname": MX,
        "receiving-ip": "127.0.0.1",
        "failed-session-count": 1,
    }
    assert (message["TLS-Report-Domain"], message["TLS-Report-Submitter"]) == ("a.example", "acme.example")
    assert message["Subject"].replace("\r\n", "") == (
        f"Report Domain: a.example Submitter: acme.example Report-ID: <{event.report}>"
    )
    assert (event.mail, event.successes, event.failures) == (message["Message-ID"][1:].split("@")[0], 1, 1)
    assert dkim.DKIM(mail.content).verify(dnsfunc=lambda *_, **__: f"v=DKIM1; k=rsa; p={key.public}".encode())


async def test_nothing_is_reported_twice_though_more_was_counted_later(gate, dns, hop: NextHop, tmp_path):
    await one_success_one_failure(gate, dns, hop, tmp_path)
    a_day_passes(gate)
    with closing(sqlite3.connect(gate.home / "data" / "relay.sqlite")) as database:
        rows = database.execute("SELECT * FROM tls_results").fetchall()
    async with relay(gate, dns, hop):
        await key_for_acme(gate)
        await reported(hop)
        await gate.facts.until(TlsReportSent, timeout=60)
    with closing(sqlite3.connect(gate.home / "data" / "relay.sqlite")) as database, database:
        database.executemany("INSERT OR REPLACE INTO tls_results VALUES (?, ?, ?, ?, ?, ?)", rows)
    async with relay(gate, dns, hop):

        async def forgotten() -> bool:
            return not counted(gate)

        await eventually(forgotten)
    assert len(hop.for_recipient("tls@reports.example")) == 1
    assert len(gate.facts.of(TlsReportSent)) == 1


async def test_a_report_waits_until_it_can_be_signed(gate, dns, hop: NextHop, tmp_path):
    """RFC 8460 3: without a signature nobody may believe it."""
    await one_success_one_failure(gate, dns, hop, tmp_path)
    a_day_passes(gate)
    async with relay(gate, dns, hop):
        await eventually(lambda: asked(dns, "_smtp._tls.a.example"))
    assert len(counted(gate)) == 2
    assert gate.facts.of(TlsReportSent) == []
    assert hop.for_recipient("tls@reports.example") == []


async def asked(dns: DnsServer, name: str) -> bool:
    return any(question.name == name for question in dns.questions)


async def test_a_report_arrives_despite_what_it_tells_of(gate, dns, hop: NextHop, tmp_path):
    """RFC 8460 5.3. It goes to the domain itself, whose DANE records name another certificate."""
    dns.remove("_smtp._tls.a.example", "TXT")
    dns.add_txt("_smtp._tls.a.example", "v=TLSRPTv1; rua=mailto:tls@a.example")
    await one_success_one_failure(gate, dns, hop, tmp_path)
    a_day_passes(gate)
    async with relay(gate, dns, hop):
        await key_for_acme(gate)

        async def came() -> bool:
            return bool(hop.for_recipient("tls@a.example"))

        await eventually(came)
    assert hop.for_recipient("tls@a.example")[0].tls
    assert counted(gate) == []  # its own session is in no report


async def test_a_report_goes_by_https_where_the_domain_says_so(gate, dns, hop: NextHop, tmp_path):
    await one_success_one_failure(gate, dns, hop, tmp_path)
    day = a_day_passes(gate)
    trusted = self_signed(tmp_path, "127.0.0.1", file="https")
    answers = iter([b"503 Busy", b"200 OK"])
    posted: list[tuple[bytes, bytes]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))[15:])
        posted.append((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 " + next(answers) + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=trusted.server)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/tls"
    dns.remove("_smtp._tls.a.example", "TXT")
    dns.add_txt("_smtp._tls.a.example", f"v=TLSRPTv1; rua={url}")
    async with relay(gate, dns, hop, ca_file=str(trusted.certificate)):
        (event,) = await gate.facts.until(TlsReportSent, timeout=60)
    server.close()
    assert (event.to, event.mail) == (url, "")
    assert len(posted) == 2  # the first was refused for the moment
    assert b"content-type: application/tlsrpt+gzip" in posted[1][0].lower()
    report = json.loads(gzip.decompress(posted[1][1]))
    assert report["report-id"] == f"{day}.a.example@acme.example"


async def test_a_policy_that_is_only_tested_costs_no_mail_and_its_failures_are_counted(
    gate, dns, hop: NextHop, tmp_path
):
    """RFC 8461 5."""
    trusted = self_signed(tmp_path, "mta-sts.a.example")
    hop.context = self_signed(tmp_path, MX).server
    await direct(gate)
    async with policy_server(dns, trusted.server) as server:
        server.policy = POLICY.replace("enforce", "testing")
        more = {"ca_file": str(trusted.certificate), "mta_sts_port": server.port}
        async with relay(gate, dns, hop, **more):
            await gate.mail("one@a.example")
            await gate.facts.until(MailDelivered, timeout=60)
    assert hop.received[0].tls
    ((policy, failure, sessions),) = counted(gate)
    assert (policy["kind"], policy["name"], sessions) == ("sts", "a.example", 1)
    assert policy["strings"] == ["version: STSv1", "mode: testing", f"mx: {MX}", "max_age: 86400"]
    assert (failure["result"], failure["host"]) == ("certificate-not-trusted", MX)


async def test_a_server_without_tls_and_a_policy_that_cannot_be_fetched_are_counted(gate, dns, hop: NextHop, tmp_path):
    nobody = self_signed(tmp_path, "mta-sts.a.example")
    await direct(gate)
    async with policy_server(dns, nobody.server) as server, relay(gate, dns, hop, mta_sts_port=server.port):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered, timeout=60)
    results = {failure["result"]: policy["kind"] for policy, failure, _ in counted(gate)}
    assert results == {"sts-webpki-invalid": "no-policy-found", "starttls-not-supported": "no-policy-found"}


async def test_without_the_setting_nothing_is_counted(gate, dns, hop: NextHop):
    await direct(gate)
    async with relay(gate, dns, hop, tls_reports_from=""):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered, timeout=60)
    assert counted(gate) == []


def test_a_record_names_where_reports_go():
    assert destinations((RECORD,)) == ("mailto:tls@reports.example",)
    both = "v=TLSRPTv1; rua=mailto:a%2Bb@x.example , https://x.example/tls?d=1;"
    assert destinations((both, "v=spf1 -all")) == ("mailto:a%2Bb@x.example", "https://x.example/tls?d=1")
    assert mailbox("mailto:a%2Bb@x.example?subject=x") == "a+b@x.example"
    assert destinations((RECORD, both)) == ()  # RFC 8460 3: one record, or none
    for rua in (
        "http://x.example/",
        "mailto:nobody",
        "mailto:a%0d%0ab@x.example",
        "ftp://x.example",
        "https://u@x.example",
    ):
        assert destinations((f"v=TLSRPTv1; rua={rua}",)) == ()
    assert len(destinations((f"v=TLSRPTv1; rua={','.join(f'mailto:r{n}@x.example' for n in range(9))}",))) == 3


def test_each_failure_of_a_certificate_has_its_word():
    error = ssl.SSLCertVerificationError()
    for code, word in ((10, "certificate-expired"), (62, "certificate-host-mismatch"), (18, "certificate-not-trusted")):
        error.verify_code = code
        assert result_of(error) == word
    error.verify_code = 26
    assert result_of(error) == result_of(None) == "validation-failure"
