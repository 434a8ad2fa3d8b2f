"""The daily look tells right from wrong and from unknown, over a real DNS server."""

from collections.abc import Iterator

import pytest

from varco_common.dns import Resolver
from varco_common.events import Colour, ReputationFinding
from varco_common.testing.dns import DnsServer, dns_server
from varco_domains.reputation import look
from varco_domains.reputation.finding import worst
from varco_domains.reputation.look import BlockLists, KeyRecords
from varco_domains.reputation.published_policies import PolicyQuestion, findings

DOMAIN, ADDRESS, GREETING = "acme.example", "192.0.2.7", "smtp.acme.example"
LISTS = BlockLists(addresses=("bl.example",), domains=("dbl.example",))
KEY_NAME, KEY = f"varco1._domainkey.{DOMAIN}", "v=DKIM1; k=rsa; p=MIIBIjANBgkq"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A domain as it should be."""
    with dns_server() as server:
        server.add(DOMAIN, "MX", "10 mx.acme.example.")
        server.add(DOMAIN, "A", "192.0.2.80")
        server.add_txt(DOMAIN, f"v=spf1 ip4:{ADDRESS} -all")
        server.add_txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject")
        server.add_txt(KEY_NAME, KEY)
        server.add("7.2.0.192.in-addr.arpa", "PTR", f"{GREETING}.")
        server.add(GREETING, "A", ADDRESS)
        server.add("2.0.0.127.bl.example", "A", "127.0.0.2")
        server.add("test.dbl.example", "A", "127.0.0.2")
        yield server


def policies(
    dns: DnsServer, *, signed: bool = True, domain: str = DOMAIN
) -> tuple[ReputationFinding, ReputationFinding]:
    """SPF and DMARC, as the child process reads them."""
    question = PolicyQuestion(
        domains=[domain],
        signed=[domain] if signed else [],
        addresses=[ADDRESS],
        servers=[("127.0.0.1", dns.port)],
    )
    from checkdmarc.utils import DNS_CACHE  # noqa: PLC0415 - it lasts for a process, which a test is not

    DNS_CACHE.clear()
    spf, dmarc = findings(question)[domain]
    return spf, dmarc


SIGNED = KeyRecords(signing={KEY_NAME: KEY})


async def domain_findings(dns: DnsServer, keys: KeyRecords = SIGNED) -> dict[str, ReputationFinding]:
    found = await look.look_at_domain(Resolver([dns.address]), DOMAIN, keys, LISTS)
    return {finding.check: finding for finding in found}


async def address_findings(dns: DnsServer, address: str = ADDRESS) -> dict[str, ReputationFinding]:
    found = await look.look_at_address(Resolver([dns.address]), address, GREETING, LISTS)
    return {finding.check: finding for finding in found}


async def test_a_domain_as_it_should_be_is_green(dns: DnsServer) -> None:
    found = [*policies(dns), *(await domain_findings(dns)).values(), *(await address_findings(dns)).values()]
    assert {finding.colour for finding in found} == {Colour.GREEN}, found
    assert worst(found) is Colour.GREEN


async def test_a_process_of_its_own_reads_spf_and_dmarc(dns: DnsServer) -> None:
    question = PolicyQuestion(domains=[DOMAIN], signed=[DOMAIN], addresses=[ADDRESS], servers=[("127.0.0.1", dns.port)])
    found = await look.read_policies(question)
    assert [(finding.check, finding.colour) for finding in found[DOMAIN]] == [("SPF", "green"), ("DMARC", "green")]


async def test_a_zone_that_is_silent_leaves_the_others_their_findings(dns: DnsServer) -> None:
    includes = " ".join(f"include:s{number}.slow.example" for number in range(9))
    dns.add_txt("silent.example", f"v=spf1 {includes} -all")  # 18 s at least
    dns.fail_zone("slow.example", "TIMEOUT")
    question = PolicyQuestion(
        domains=["silent.example", DOMAIN],
        signed=[DOMAIN],
        addresses=[ADDRESS],
        servers=[("127.0.0.1", dns.port)],
        seconds=12,
    )
    found = await look.read_policies(question)
    assert [finding.colour for finding in found[DOMAIN]] == [Colour.GREEN, Colour.GREEN]
    assert [finding.colour for finding in found["silent.example"]] == [Colour.UNKNOWN, Colour.UNKNOWN]
    assert "took longer than 12 s" in found["silent.example"][0].text


@pytest.mark.parametrize(
    ("records", "colour", "words"),
    [
        ((), Colour.RED, "no SPF record"),
        (("v=spf1 -all", "v=spf1 ip4:192.0.2.7 -all"), Colour.RED, "several SPF records"),
        (("v=spf1 +all",), Colour.RED, "everybody may send"),
        (("v=spf1 ip4:192.0.2.8 -all",), Colour.RED, f"does not cover {ADDRESS}"),
        (("v=spf1 ip4:192.0.2.0/28 ~all",), Colour.GREEN, "covers"),
        (("v=spf1 ip4:192.0.2.7",), Colour.AMBER, "forbids nobody"),
        (("v=spf1 ip4:192.0.2.7 ?all",), Colour.AMBER, "forbids nobody"),
        (("v=spf1 mx -all",), Colour.RED, "does not cover"),
        (("v=spf1 a:smtp.acme.example -all",), Colour.GREEN, "covers"),
        (("v=spf1 include:spf.provider.example -all",), Colour.GREEN, "covers"),
        (("v=spf1 redirect=spf.provider.example",), Colour.GREEN, "covers"),
        (("v=spf1 exists:%{i}.spf.acme.example -all",), Colour.AMBER, "macros decide"),
        (("v=spf1 ipv4:192.0.2.7 -all",), Colour.RED, "broken"),
    ],
)
def test_spf_is_judged_for_the_addresses_that_send(
    dns: DnsServer, records: tuple[str, ...], colour: Colour, words: str
) -> None:
    dns.remove(DOMAIN, "TXT")
    dns.add_txt(DOMAIN, *records)
    dns.add("mx.acme.example", "A", "192.0.2.9")
    dns.add_txt("spf.provider.example", "v=spf1 ip4:192.0.2.7 -all")
    spf, _ = policies(dns)
    assert spf.colour is colour, spf
    assert words in spf.text, spf


def test_the_missing_address_stands_in_the_record_to_publish(dns: DnsServer) -> None:
    dns.remove(DOMAIN, "TXT")
    dns.add_txt(DOMAIN, "v=spf1 include:spf.provider.example ~all")
    dns.add_txt("spf.provider.example", "v=spf1 ip4:198.51.100.1 -all")
    spf, _ = policies(dns)
    assert spf.record == f'{DOMAIN} TXT "v=spf1 ip4:{ADDRESS} include:spf.provider.example ~all"'


def test_several_records_are_joined_into_the_one_to_publish(dns: DnsServer) -> None:
    dns.add_txt(DOMAIN, "v=spf1 include:spf.provider.example ip4:192.0.2.7 -all", "v=spf1 redirect=spf.other.example")
    spf, _ = policies(dns)
    joined = f"v=spf1 ip4:{ADDRESS} include:spf.provider.example include:spf.other.example ~all"
    assert (spf.colour, spf.record) == (Colour.RED, f'{DOMAIN} TXT "{joined}"')


def test_truncated_answers_and_aliases_are_read_as_receivers_read_them(dns: DnsServer) -> None:
    dns.truncate(DOMAIN)
    dns.remove(f"_dmarc.{DOMAIN}", "TXT")
    dns.add(f"_dmarc.{DOMAIN}", "CNAME", "dmarc.provider.example.")
    dns.add_txt("dmarc.provider.example", "v=DMARC1; p=reject")
    assert [finding.colour for finding in policies(dns)] == [Colour.GREEN, Colour.GREEN]


def test_a_wildcard_record_is_no_policy(dns: DnsServer) -> None:
    dns.remove(f"_dmarc.{DOMAIN}", "TXT")
    dns.add_txt(f"*.{DOMAIN}", "v=spf1 -all")
    spf, dmarc = policies(dns)
    assert (spf.colour, dmarc.colour) == (Colour.GREEN, Colour.RED)


def test_a_record_with_eleven_look_ups_is_red(dns: DnsServer) -> None:
    dns.remove(DOMAIN, "TXT")
    names = [f"s{number}.provider.example" for number in range(11)]
    for name in names:
        dns.add_txt(name, "v=spf1 ip4:192.0.2.7 -all")
    dns.add_txt(DOMAIN, f"v=spf1 {' '.join(f'include:{name}' for name in names)} -all")
    spf, _ = policies(dns)
    assert (spf.colour, "11 look-ups" in spf.text) == (Colour.RED, True), spf


@pytest.mark.parametrize("failure", ["SERVFAIL", "REFUSED"])
def test_an_unanswered_question_is_never_a_no(dns: DnsServer, failure: str) -> None:
    dns.fail(DOMAIN, failure)  # type: ignore[arg-type]
    dns.fail(f"_dmarc.{DOMAIN}", failure)  # type: ignore[arg-type]
    assert [finding.colour for finding in policies(dns)] == [Colour.UNKNOWN, Colour.UNKNOWN]


def test_an_include_that_nobody_answers_for_is_no_verdict(dns: DnsServer) -> None:
    dns.remove(DOMAIN, "TXT")
    dns.add_txt(DOMAIN, "v=spf1 include:spf.provider.example -all")
    dns.fail("spf.provider.example", "SERVFAIL")
    assert policies(dns)[0].colour is Colour.UNKNOWN


@pytest.mark.parametrize(
    ("record", "signed", "colour", "words"),
    [
        ("", True, Colour.RED, "no DMARC record"),
        ("v=DMARC1; p=none", True, Colour.AMBER, "protects nobody"),
        ("v=DMARC1; p=quarantine", True, Colour.GREEN, "p=quarantine"),
        ("v=DMARC1; p=reject", False, Colour.AMBER, "no DKIM signature"),
        ("v=DMARC1; p=sometimes", True, Colour.RED, "broken"),
    ],
)
def test_dmarc_is_judged_with_what_we_send(
    dns: DnsServer, record: str, signed: bool, colour: Colour, words: str
) -> None:
    dns.remove(f"_dmarc.{DOMAIN}", "TXT")
    if record:
        dns.add_txt(f"_dmarc.{DOMAIN}", record)
    _, dmarc = policies(dns, signed=signed)
    assert (dmarc.colour, words in dmarc.text) == (colour, True), dmarc


def test_a_subdomain_has_the_policy_of_its_organisation(dns: DnsServer) -> None:
    dns.remove(f"_dmarc.{DOMAIN}", "TXT")
    dns.add_txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject; sp=none")
    dns.add_txt(f"news.{DOMAIN}", f"v=spf1 ip4:{ADDRESS} -all")
    _, dmarc = policies(dns, domain=f"news.{DOMAIN}")
    assert (dmarc.colour, f"(of {DOMAIN})" in dmarc.text) == (Colour.AMBER, True), dmarc


async def test_a_key_that_is_not_published_is_red_with_its_record(dns: DnsServer) -> None:
    dns.remove(KEY_NAME, "TXT")
    found = (await domain_findings(dns))["DKIM"]
    assert (found.colour, found.record) == (Colour.RED, f'{KEY_NAME} TXT "{KEY}"')
    dns.fail(KEY_NAME, "SERVFAIL")
    assert (await domain_findings(dns))["DKIM"].colour is Colour.UNKNOWN
    without = (await domain_findings(dns, KeyRecords()))["DKIM"]
    assert (without.colour, "`varco domains rotate` makes a key" in without.text) == (Colour.AMBER, True)
    waiting = (await domain_findings(dns, KeyRecords(waiting={KEY_NAME: KEY})))["DKIM"]
    assert (waiting.colour, waiting.record) == (Colour.AMBER, f'{KEY_NAME} TXT "{KEY}"')


async def test_a_domain_without_mx_is_told_what_that_means(dns: DnsServer) -> None:
    dns.remove(DOMAIN, "MX")
    assert (await domain_findings(dns))["MX"].colour is Colour.AMBER
    dns.remove(DOMAIN, "A")
    assert (await domain_findings(dns))["MX"].colour is Colour.RED
    dns.add(DOMAIN, "MX", "0 .")
    found = (await domain_findings(dns))["MX"]
    assert (found.colour, "takes no mail" in found.text) == (Colour.RED, True)


@pytest.mark.parametrize(
    ("entries", "colour"),
    [
        ({}, Colour.GREEN),
        ({"7.2.0.192.bl.example": "127.0.0.4"}, Colour.RED),
        ({"7.2.0.192.bl.example": "127.255.255.254"}, Colour.UNKNOWN),  # our resolver is refused
        ({"7.2.0.192.bl.example": "203.0.113.1"}, Colour.UNKNOWN),  # the list's domain was sold
        ({"1.0.0.127.bl.example": "127.0.0.2", "7.2.0.192.bl.example": "127.0.0.2"}, Colour.UNKNOWN),  # lists all
    ],
)
async def test_a_block_list_is_believed_only_if_it_speaks_to_us(
    dns: DnsServer, entries: dict[str, str], colour: Colour
) -> None:
    for name, code in entries.items():
        dns.add(name, "A", code)
    assert (await address_findings(dns))["address block lists"].colour is colour


async def test_a_list_that_is_gone_or_silent_is_never_green(dns: DnsServer) -> None:
    dns.remove("2.0.0.127.bl.example", "A")
    dns.remove("test.dbl.example", "A")
    assert (await address_findings(dns))["address block lists"].colour is Colour.UNKNOWN
    assert (await domain_findings(dns))["domain block lists"].colour is Colour.UNKNOWN


async def test_address_name_and_greeting_must_agree(dns: DnsServer) -> None:
    dns.remove(GREETING, "A")
    found = (await address_findings(dns))["PTR"]
    assert (found.colour, found.record) == (Colour.RED, f"{GREETING} A {ADDRESS}")
    dns.remove("7.2.0.192.in-addr.arpa", "PTR")
    found = (await address_findings(dns))["PTR"]
    assert (found.colour, found.record) == (Colour.RED, f"7.2.0.192.in-addr.arpa PTR {GREETING}.")
    dns.add("7.2.0.192.in-addr.arpa", "PTR", "other.acme.example.")
    dns.add("other.acme.example", "A", ADDRESS)
    found = (await address_findings(dns))["PTR"]
    assert (found.colour, "VARCO_HOSTNAME" in found.text) == (Colour.AMBER, True)


async def test_an_ipv6_address_is_asked_for_in_its_own_way(dns: DnsServer) -> None:
    reverse = "7.0.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2"
    dns.add(f"{reverse}.ip6.arpa", "PTR", f"{GREETING}.")
    dns.add(GREETING, "AAAA", "2001:db8::7")
    mapped = "2.0.0.0.0.0.f.7.f.f.f.f." + "0." * 19 + "0"
    dns.add(f"{mapped}.bl.example", "A", "127.0.0.2")
    found = await address_findings(dns, "2001:db8::7")
    assert [finding.colour for finding in found.values()] == [Colour.GREEN, Colour.GREEN], found
