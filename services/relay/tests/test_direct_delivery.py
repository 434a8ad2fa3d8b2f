"""Direct delivery: the mail servers of each recipient's domain are found in the DNS."""

import asyncio
from collections.abc import Iterator

import pytest

from varco_common.events import (
    AddressFamilies,
    DirectDelivery,
    MailBounced,
    MailDeferred,
    MailDelivered,
    RouteFailed,
    RouteRecovered,
    RouteSet,
    SenderNotified,
    Smarthost,
)
from varco_common.testing.dns import DnsServer, dns_server
from varco_common.testing.next_hop import HANG, NextHop, next_hop, recipients
from varco_common.testing.waiting import eventually
from varco_relay.smtp.domain_rate import MAX_WAIT_SECONDS, DomainRate

SLOW = {"retry_first": "1 hour", "retry_longest": "1 hour"}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


@pytest.fixture
async def second(hop: NextHop):
    """Another host, at the same port."""
    async with next_hop(host="127.0.0.2", port=hop.port) as running:
        yield running


async def direct(gate, **route) -> None:
    await gate.account()
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=DirectDelivery(**route)))


def relay(gate, dns: DnsServer, hop: NextHop, **more):
    """A relay whose mail servers may be on loopback."""
    return gate.relay(resolver_servers=(dns.address,), mx_port=hop.port, private_routes=True, **more)


async def test_a_mail_goes_to_the_mx_of_each_domain(gate, dns: DnsServer, hop: NextHop, second: NextHop):
    dns.add("a.example", "MX", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1")
    dns.add("b.example", "MX", "10 mx.b.example.")
    dns.add("mx.b.example", "A", "127.0.0.2")
    await direct(gate)
    async with relay(gate, dns, hop) as client:
        await gate.mail("one@a.example", "two@B.example", "three@a.example")
        events = await gate.facts.until(MailDelivered, 2)
        metrics = (await client.get("/metrics")).text
    assert 'varco_relay_mx_host_recipients_total{host="mx.a.example",outcome="delivered"}' in metrics
    assert recipients(hop.received) == ["one@a.example", "three@a.example"]
    assert recipients(second.received) == ["two@B.example"]
    assert {event.host for event in events} == {f"mx.a.example:{hop.port}", f"mx.b.example:{hop.port}"}


async def test_the_next_preference_is_tried_in_the_same_attempt(gate, dns: DnsServer, hop: NextHop, second: NextHop):
    dns.add("a.example", "MX", "20 backup.a.example.", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1")
    dns.add("backup.a.example", "A", "127.0.0.2")
    hop.answer("GREETING", "421 4.3.2 too busy")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDelivered)
    assert event.host == f"backup.a.example:{hop.port}"
    assert event.route == f"mx.a.example:{hop.port} passed over: the next hop greets with 421 4.3.2 too busy"


async def test_a_domain_without_mx_is_its_own_mail_server(gate, dns: DnsServer, hop: NextHop):
    """RFC 5321 5.1."""
    dns.add("a.example", "A", "127.0.0.1")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example", "two@[127.0.0.1]")
        events = await gate.facts.until(MailDelivered, 2)
    assert {event.host for event in events} == {f"a.example:{hop.port}", f"127.0.0.1:{hop.port}"}


async def test_an_internationalised_domain_is_looked_up_in_ascii(gate, dns: DnsServer, hop: NextHop):
    dns.add("xn--bcher-kva.example", "MX", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@bücher.example", smtputf8=True)
        await gate.facts.until(MailDelivered)
    assert recipients(hop.received) == ["one@bücher.example"]


@pytest.mark.parametrize(
    ("record", "status", "words"),
    [
        (None, "5.1.2", "There is no domain a.example"),
        (("TXT", '"no mail here"'), "5.1.2", "neither MX records nor an address"),
        (("MX", "0 ."), "5.1.10", "takes no mail (null MX)"),  # RFC 7505
        (("MX", "10 gate.test."), "5.4.6", "lead back to this gate"),
    ],
)
async def test_a_domain_without_a_mail_server_bounces_at_once(
    gate, dns: DnsServer, hop: NextHop, record, status, words
):
    dns.add("acme.example", "MX", "10 mx.acme.example.")
    dns.add("mx.acme.example", "A", "127.0.0.1")
    if record:
        dns.add("a.example", *record)
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailBounced)
        await gate.facts.until(SenderNotified)
        await hop.got(1)
    assert len(gate.facts.of(MailBounced)) == 1
    (failure,) = event.failures
    assert (failure.status, failure.by_gate, event.host) == (status, True, "")
    assert words in failure.answer
    dsn = hop.received[0].content.decode()
    assert f"Status: {status}" in dsn
    assert "Remote-MTA" not in dsn


async def test_the_notification_names_the_host_and_its_words(gate, dns: DnsServer, hop: NextHop):
    dns.add("a.example", "MX", "10 mx.a.example.")
    dns.add("acme.example", "MX", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1")
    hop.answer("one@a.example", "550 5.1.1 nobody of that name")
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await hop.got(1)
    dsn = hop.received[0].content.decode()
    assert "Remote-MTA: dns; mx.a.example" in dsn
    assert "550 5.1.1 nobody of that name" in dsn


@pytest.mark.parametrize("how", ["SERVFAIL", "TIMEOUT"])
async def test_a_dns_that_does_not_answer_defers_and_bounces_nothing(gate, dns: DnsServer, hop: NextHop, how):
    dns.fail("a.example", how)
    await direct(gate)
    async with relay(gate, dns, hop, **SLOW) as client:
        mail = await gate.mail("one@a.example")
        (event,) = await gate.facts.until(MailDeferred, timeout=60)
        assert (event.failures[0].status, event.failures[0].by_gate) == ("4.4.3", True)
        dns.mend("a.example")
        dns.add("a.example", "A", "127.0.0.1")

        async def retried() -> bool:
            return (await client.post(f"/queue/{mail}/retry")).status_code == 200

        await eventually(retried)
        await gate.facts.until(MailDelivered)
    assert gate.facts.of(MailBounced) == []


async def test_servers_that_are_down_defer_their_mail_and_hold_up_no_other(gate, dns: DnsServer, hop: NextHop):
    """More mails for them than an account may have in hand."""
    dns.add("down.example", "A", "127.0.0.3")
    dns.add("up.example", "A", "127.0.0.1")
    await direct(gate)
    async with relay(gate, dns, hop, **SLOW):
        for number in range(80):
            await gate.mail(f"r{number}@down.example")
        await gate.mail("one@up.example")
        await hop.got(1)
        (event, *_) = await gate.facts.until(MailDeferred, 80)
    assert event.host == f"down.example:{hop.port}"
    assert event.failures[0].answer.startswith("4.4.1 can't connect to down.example")
    assert gate.facts.of(RouteFailed) == []


async def test_a_private_address_behind_an_mx_record_is_never_connected_to(gate, dns: DnsServer, hop: NextHop):
    """Whoever owns the domain wrote the record, not the operator."""
    dns.add("a.example", "MX", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1", "10.0.0.1")
    dns.add("mx.a.example", "AAAA", "::1", "::ffff:7f00:1")
    await direct(gate)
    async with gate.relay(resolver_servers=(dns.address,), mx_port=hop.port, **SLOW):
        await gate.mail("one@a.example", "two@[127.0.0.1]")
        events = await gate.facts.until(MailDeferred, 2)
    assert all("private addresses only" in event.failures[0].answer for event in events)
    assert hop.connections == 0


@pytest.mark.parametrize(("families", "reached"), [("ipv4", "127.0.0.1"), ("ipv6", "::1")])
async def test_servers_are_reached_over_the_chosen_protocol(gate, dns: DnsServer, families, reached):
    dns.add("a.example", "A", "127.0.0.1")
    dns.add("a.example", "AAAA", "::1")
    await direct(gate, families=AddressFamilies(families))
    async with next_hop(host=reached) as hop, relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered)


async def test_mail_leaves_from_the_accounts_source_address(gate, dns: DnsServer, hop: NextHop):
    dns.add("a.example", "A", "127.0.0.1")
    dns.add("a.example", "AAAA", "::1")
    peers: list[str] = []
    hop.on_mail = lambda _: None
    serve = hop._serve

    async def note_peer(reader, writer):
        peers.append(writer.get_extra_info("peername")[0])
        await serve(reader, writer)

    hop._serve = note_peer  # type: ignore[method-assign]
    await hop.stop()
    await hop.start()
    await direct(gate, source=("127.0.0.9",))
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered)
    assert peers == ["127.0.0.9"]


async def test_mails_to_one_host_share_its_connections(gate, dns: DnsServer, hop: NextHop):
    """Domains that share their servers, too."""
    for domain in ("a.example", "b.example"):
        dns.add(domain, "MX", "10 mx.provider.example.")
    dns.add("mx.provider.example", "A", "127.0.0.1")
    await direct(gate)
    async with relay(gate, dns, hop, connections=2):
        for number in range(30):
            await gate.mail(f"r{number}@{'ab'[number % 2]}.example")
        await gate.facts.until(MailDelivered, 30)
    assert hop.connections <= 2
    assert len([question for question in dns.questions if question.kind == "MX"]) < 10  # UDP may ask again


async def test_a_domain_gets_no_more_mail_in_a_minute_than_the_setting_says(gate, dns: DnsServer, hop: NextHop):
    dns.add("a.example", "A", "127.0.0.1")
    dns.add("b.example", "A", "127.0.0.1")
    await direct(gate)
    async with relay(gate, dns, hop, mx_rate=1, **SLOW):
        await gate.mail("one@a.example")
        await gate.facts.until(MailDelivered)
        await gate.mail("two@a.example")
        (event,) = await gate.facts.until(MailDeferred)
        assert event.host == "mx"
        await gate.mail("three@b.example")
        await gate.facts.until(MailDelivered, 2)
    assert event.failures[0].answer == "451 4.7.0 a.example gets mail at a limited rate"


def test_mails_within_the_rate_are_spaced_evenly():
    clock = [100.0]
    rate = DomainRate(12, lambda: clock[0])
    assert [rate.take("a") for _ in range(5)] == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert rate.take("a") is None
    assert rate.take("b") == 0.0
    clock[0] += 60
    assert rate.take("a") == 0.0
    assert MAX_WAIT_SECONDS < 60


async def test_the_mx_of_a_name_are_next_hops_of_a_smarthost(gate, dns: DnsServer, hop: NextHop, second: NextHop):
    dns.add("provider.example", "MX", "10 mx1.provider.example.", "20 mx2.provider.example.")
    dns.add("mx1.provider.example", "A", "127.0.0.1")
    dns.add("mx2.provider.example", "A", "127.0.0.2")
    await gate.account()
    route = Smarthost(host="provider.example", port=hop.port, mx=True)
    await gate.bus.events.append(RouteSet(at=gate.now(), account="acme", route=route))
    async with gate.relay(resolver_servers=(dns.address,)) as client:
        await gate.mail("one@x.example", "two@y.example")
        await hop.got(1)
        tested = (await client.post("/accounts/acme/route/test")).json()
        assert tested["ready"], tested
        checked = (await client.post("/accounts/acme/route/check")).json()
        texts = [step["text"] for step in checked["hops"][0]["steps"]]
        assert texts[0] == "mail of provider.example goes to mx1.provider.example, mx2.provider.example"
        assert texts[1] == "mx1.provider.example is at 127.0.0.1"
        assert checked["ready"], checked
        await hop.stop()
        await gate.mail("three@x.example")
        await second.got(1)
        await second.stop()
        await gate.mail("four@x.example")
        (failed,) = await gate.facts.until(RouteFailed)
        assert "can't connect to" in failed.why
        await second.start()
        await gate.facts.until(RouteRecovered, timeout=60)
        await gate.facts.until(MailDelivered, 3)
    assert recipients(hop.received) == ["one@x.example", "two@y.example"]
    assert recipients(second.received) == ["three@x.example", "four@x.example"]


async def test_a_host_that_failed_is_left_alone_for_a_while(gate, dns: DnsServer, hop: NextHop):
    """Its back-off is its own: the next mail does not dial it again at once."""
    dns.add("a.example", "A", "127.0.0.1")
    hop.answer("GREETING", *["554 5.7.1 no"] * 50)
    await direct(gate)
    async with relay(gate, dns, hop, **SLOW):
        for number in range(20):
            await gate.mail(f"r{number}@a.example")
        await gate.facts.until(MailDeferred, 20)
    assert hop.connections < 20


async def test_tls_is_used_where_it_is_offered_and_its_failure_costs_no_mail(
    gate, dns: DnsServer, hop: NextHop, tmp_path
):
    from varco_common.testing.certificates import self_signed  # noqa: PLC0415

    dns.add("a.example", "A", "127.0.0.1")
    hop.context = self_signed(tmp_path, "other.test").server
    await direct(gate)
    async with relay(gate, dns, hop):
        await gate.mail("one@a.example")
        await hop.got(1)
        hop.answer("STARTTLS", "454 4.7.0 TLS is broken")
        await hop.stop()
        await hop.start()
        await gate.mail("two@a.example")
        await hop.got(2)
    assert [mail.tls for mail in hop.received] == [True, False]


async def test_a_host_that_hangs_holds_up_nobody(gate, dns: DnsServer, hop: NextHop, second: NextHop):
    dns.add("slow.example", "A", "127.0.0.1")
    dns.add("quick.example", "A", "127.0.0.2")
    hop.answer("GREETING", *[HANG] * 100)
    await direct(gate)
    async with relay(gate, dns, hop, **SLOW):
        for number in range(20):
            await gate.mail(f"r{number}@slow.example", f"r{number}@quick.example")
        await second.got(20)
        await asyncio.sleep(0)
    assert hop.received == []
