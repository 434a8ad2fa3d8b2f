import socket

import pytest

from varco_common.base.settings import BrokenSetting, load
from varco_common.dns import Absent, Found, MailExchanger, Resolver, TlsaRecord, Unknown, WithResolver
from varco_common.testing.dns import SILENT, DnsServer, Question, dns_server


@pytest.fixture
def resolver(dns: DnsServer) -> Resolver:
    return Resolver([dns.address], seconds=0.5)


async def test_strings_of_a_record_are_joined_and_records_stay_apart(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("acme.example", "TXT", '"v=spf1 " "ip4:192.0.2.1 -all"', '"v=spf1 -all"')
    answer = await resolver.txt("acme.example")
    assert isinstance(answer, Found)
    assert sorted(answer.records) == ["v=spf1 -all", "v=spf1 ip4:192.0.2.1 -all"]
    assert answer.ttl == 60


async def test_a_long_text_is_one_record(dns: DnsServer, resolver: Resolver) -> None:
    text = 'v=DKIM1; k=rsa; p="\\' + "A" * 400
    dns.add_txt("s1._domainkey.acme.example", text)
    answer = await resolver.txt("S1._domainkey.Acme.example.")
    assert isinstance(answer, Found)
    assert answer.records == (text,)


async def test_a_missing_name_and_a_missing_type_are_told_apart(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("acme.example", "A", "192.0.2.1")
    assert await resolver.txt("acme.example") == Absent(name="acme.example", name_exists=True, ttl=30)
    assert await resolver.txt("other.example") == Absent(name="other.example", name_exists=False, ttl=30)


@pytest.mark.parametrize("how", ["TIMEOUT", "SERVFAIL", "REFUSED"])
async def test_a_failing_server_says_nothing_about_the_name(dns: DnsServer, resolver: Resolver, how: str) -> None:
    dns.add("acme.example", "TXT", '"here"')
    dns.fail("acme.example", how)
    answer = await resolver.txt("acme.example")
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("TXT of acme.example: ")
    dns.mend("acme.example")
    assert isinstance(await resolver.txt("acme.example"), Found)


async def test_a_port_without_a_server_says_nothing_about_the_name() -> None:
    assert isinstance(await Resolver([SILENT], seconds=0.5).txt("acme.example"), Unknown)


async def test_the_second_server_answers_where_the_first_fails(dns: DnsServer) -> None:
    dns.add("acme.example", "TXT", '"here"')
    with dns_server() as failing:
        failing.fail("acme.example", "SERVFAIL")
        answer = await Resolver([failing.address, dns.address]).txt("acme.example")
    assert isinstance(answer, Found)
    assert failing.questions


async def test_a_truncated_answer_is_asked_for_again_over_tcp(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("acme.example", "MX", "10 mx.acme.example.", "0 .")
    dns.truncate("acme.example")
    answer = await resolver.mx("acme.example")
    assert isinstance(answer, Found)
    assert sorted(answer.records) == [MailExchanger(0, ""), MailExchanger(10, "mx.acme.example")]
    assert dns.questions == [Question("acme.example", "MX", "udp"), Question("acme.example", "MX", "tcp")]


async def test_an_alias_leads_to_the_name_that_has_the_records(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("s1._domainkey.acme.example", "CNAME", "s1.keys.example.", ttl=20)
    dns.add("s1.keys.example", "TXT", '"v=DKIM1"', ttl=300)
    answer = await resolver.txt("s1._domainkey.acme.example")
    assert answer == Found(name="s1.keys.example", records=("v=DKIM1",), ttl=20)


async def test_an_alias_that_leads_nowhere_is_a_missing_name(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("acme.example", "CNAME", "gone.example.")
    answer = await resolver.txt("acme.example")
    assert isinstance(answer, Absent)
    assert (answer.name, answer.name_exists) == ("gone.example", False)


async def test_aliases_in_a_circle_say_nothing(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("a.example", "CNAME", "b.example.")
    dns.add("b.example", "CNAME", "a.example.")
    assert not isinstance(await resolver.txt("a.example"), Found)


async def test_a_wildcard_answers_for_names_that_do_not_exist(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("*.acme.example", "A", "127.0.0.2")
    dns.add("known.acme.example", "TXT", '"here"')
    assert isinstance(await resolver.a("any.thing.acme.example"), Found)
    assert isinstance(await resolver.a("known.acme.example"), Absent)


async def test_only_an_answer_that_was_asked_to_be_proven_counts_as_proven(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("_25._tcp.mx.example", "TLSA", "3 1 1 " + "ab" * 32)
    dns.add("mx.example", "A", "192.0.2.25")
    dns.sign("_25._tcp.mx.example")
    dns.sign("mx.example")
    answer = await resolver.tlsa("_25._tcp.mx.example")
    assert isinstance(answer, Found)
    assert answer.validated
    assert answer.records == (TlsaRecord(3, 1, 1, b"\xab" * 32),)
    plain = await resolver.a("mx.example")
    assert isinstance(plain, Found)
    assert not plain.validated
    proven = await resolver.aaaa("mx.example", dnssec=True)
    assert isinstance(proven, Absent)
    assert proven.validated


async def test_names_beyond_ascii_are_asked_for_in_ascii(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("xn--strae-oqa.example", "TXT", '"here"')
    assert isinstance(await resolver.txt("Straße.example"), Found)


@pytest.mark.parametrize("name", ["a..example", "x" * 64 + ".example", "bad\udc80.example", ""])
async def test_what_is_no_name_is_no_error(resolver: Resolver, name: str) -> None:
    assert not isinstance(await resolver.txt(name), Found)


async def test_an_address_has_a_name(dns: DnsServer, resolver: Resolver) -> None:
    dns.add("7.2.0.192.in-addr.arpa", "PTR", "Smtp.Acme.example.")
    answer = await resolver.ptr("192.0.2.7")
    assert isinstance(answer, Found)
    assert answer.records == ("smtp.acme.example",)


@pytest.mark.parametrize("value", ["ns.acme.example", "192.0.2.53:0", "192.0.2.53:x", "[::1]:65536", "192.0.2.53,:53"])
def test_a_wrong_list_of_servers_ends_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VARCO_RESOLVER", value)
    with pytest.raises(BrokenSetting, match="VARCO_RESOLVER"):
        load(WithResolver)


def test_servers_may_have_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "192.0.2.53, 192.0.2.53:5353,2001:db8::53,[2001:db8::53]:5353,[::1]"
    monkeypatch.setenv("VARCO_RESOLVER", value)
    assert load(WithResolver).resolver()._servers == (
        ("192.0.2.53", 53),
        ("192.0.2.53", 5353),
        ("2001:db8::53", 53),
        ("2001:db8::53", 5353),
        ("::1", 53),
    )


async def test_no_test_asks_the_internet(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the services that a test starts, nor a resolver that a test forgot to configure."""
    assert load(WithResolver).resolver_servers == (SILENT,)
    assert isinstance(await Resolver(["192.0.2.53"], seconds=0.5).txt("acme.example"), Unknown)
    assert "tests ask only loopback" in caplog.text
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, pytest.raises(RuntimeError, match="loopback"):
        client.sendto(b"", ("192.0.2.53", 53))
