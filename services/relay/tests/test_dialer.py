"""How a connection begins: greeting, EHLO, TLS, login."""

import asyncio

import pytest

from varco_common.events import TlsUse
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import NextHop
from varco_relay.smtp import public_addresses, target
from varco_relay.smtp.connection_pool import PoolLimits
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.pending_transaction import Completed, NotAttempted
from varco_relay.smtp.target import SmtpTarget

from .pools import NO_RECONNECT, QUICK, Pools, codes, down_reason, mail


async def test_tls_is_used_where_it_is_offered(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "someone-else.test").server
    result = await pools.to(hop).send(mail())
    assert isinstance(result, Completed)
    assert result.tls == "TLSv1.3"
    assert hop.received[0].tls


async def test_opportunistic_tls_goes_on_in_clear_where_the_handshake_fails(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.answer("STARTTLS", "454 4.7.0 not now")
    assert await codes(pools.to(hop), mail()) == {"bob@x.example": 250}
    assert not hop.received[0].tls


async def test_required_tls_verifies_the_certificate(hop: NextHop, pools: Pools, tmp_path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop.context = certificate.server
    refused = await pools.to(hop, tls=TlsUse.REQUIRED).send(mail())
    assert isinstance(refused, NotAttempted)
    assert "certificate" in refused.reason or "self" in refused.reason
    assert await codes(pools.to(hop, tls=TlsUse.REQUIRED, trust=certificate.certificate), mail()) == {
        "bob@x.example": 250
    }
    other = self_signed(tmp_path, "other.test")
    hop.context = other.server
    named = await pools.to(hop, tls=TlsUse.REQUIRED, trust=other.certificate).send(mail())
    assert isinstance(named, NotAttempted)


async def test_required_tls_is_never_given_up(hop: NextHop, pools: Pools):
    result = await pools.to(hop, tls=TlsUse.REQUIRED).send(mail())
    assert result == NotAttempted(reason="the route requires TLS, and the next hop doesn't offer STARTTLS")
    assert hop.received == []
    assert not any(line.startswith("MAIL") for line in hop.commands)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_login_is_given(hop: NextHop, pools: Pools, tmp_path, mechanism):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.logins, hop.auth = {"acme": "sècret"}, (mechanism,)
    assert await codes(pools.to(hop, login="acme", password="sècret"), mail()) == {"bob@x.example": 250}
    assert hop.received[0].login == "acme"


async def test_a_next_hop_that_offers_plain_and_refuses_it_gets_login(hop: NextHop, pools: Pools):
    hop.logins, hop.refused_mechanisms = {"acme": "right"}, ("PLAIN",)
    pool = pools.to(hop, login="acme", password="right", tls=TlsUse.NONE)
    assert await codes(pool, mail()) == {"bob@x.example": 250}
    assert [line.split()[1] for line in hop.commands if line.startswith("AUTH")] == ["PLAIN", "LOGIN"]


async def test_a_refused_password_is_not_sent_again_by_another_mechanism(hop: NextHop, pools: Pools):
    hop.logins = {"acme": "right"}
    limits = PoolLimits(reconnect=NO_RECONNECT)
    pool = pools.to(hop, login="acme", password="wrong", tls=TlsUse.NONE, limits=limits)
    assert "535 5.7.8" in await down_reason(pool)
    assert [line.split()[1] for line in hop.commands if line.startswith("AUTH")] == ["PLAIN"]


@pytest.mark.parametrize("host", ["a..b", "é" * 70])
async def test_a_host_that_idna_refuses_is_a_route_that_is_down(pools: Pools, host):
    """Routes that were set before such hosts were refused."""
    with pytest.raises(RouteDown, match="can't connect to"):
        await Dialer(name="gate.test", timeouts=QUICK).dial(SmtpTarget(host=host, port=25))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "::1", "::ffff:127.0.0.1"])
async def test_a_public_route_never_connects_to_a_private_address(hop: NextHop, host):
    """Checked on what the name resolves to, whatever it looked like when the route was set."""
    target = SmtpTarget(host=host, port=hop.port, public_only=True)
    with pytest.raises(RouteDown, match="private addresses only"):
        await Dialer(name="gate.test", timeouts=QUICK).dial(target)
    assert hop.connections == 0


async def test_a_public_route_connects_to_the_public_addresses_of_its_host(hop: NextHop, pools: Pools, monkeypatch):
    """The first one refuses, and so the second one is tried."""
    checked: list[str] = []

    async def look_up(host, port, **_):
        return [(2, 1, 6, "", (address, port)) for address in ("10.0.0.1", "127.0.0.2", "127.0.0.1")]

    def only_ten_is_private(address: str) -> bool:
        checked.append(address)
        return address.startswith("10.")

    monkeypatch.setattr(public_addresses, "is_private", only_ten_is_private)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
    client = await Dialer(name="gate.test", timeouts=QUICK).dial(
        SmtpTarget(host="mx.example", port=hop.port, public_only=True)
    )
    await client.quit()
    assert checked == ["10.0.0.1", "127.0.0.2", "127.0.0.1"]
    assert hop.connections == 1


async def test_where_private_routes_are_allowed_a_public_route_may_be_private(hop: NextHop):
    target = SmtpTarget(host="localhost", port=hop.port, public_only=True)
    client = await Dialer(name="gate.test", timeouts=QUICK, private_routes=True).dial(target)
    await client.quit()


async def test_a_wrong_password_is_the_routes_fault(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "a.test").server
    hop.logins = {"acme": "right"}
    result = await pools.to(hop, login="acme", password="wrong").send(mail())
    assert result == NotAttempted(reason="the next hop refuses the login acme: 535 5.7.8 wrong credentials")


async def test_the_password_isnt_sent_in_clear(hop: NextHop, pools: Pools):
    hop.logins = {"acme": "right"}
    result = await pools.to(hop, login="acme", password="right").send(mail())
    assert isinstance(result, NotAttempted)
    assert not any(line.startswith("AUTH") for line in hop.commands)
    assert await codes(pools.to(hop, login="acme", password="right", tls=TlsUse.NONE), mail()) == {"bob@x.example": 250}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"EHLO": "450 4.3.0 later"}, "450 4.3.0 later"),
        ({"EHLO": "502 5.5.1 unknown", "HELO": "554 5.7.1 go away"}, "554 5.7.1 go away"),
    ],
)
async def test_a_next_hop_that_refuses_ehlo_and_helo_is_down(hop: NextHop, pools: Pools, answers, reason):
    for verb, answer in answers.items():
        hop.answer(verb, answer)
    pool = pools.to(hop, limits=PoolLimits(reconnect=NO_RECONNECT))
    assert await down_reason(pool) == f"the next hop refuses EHLO and HELO: {reason}"
    assert ("HELO gate.test" in hop.commands) == (len(answers) == 2)


async def test_the_gate_names_itself_in_ehlo(hop: NextHop, pools: Pools):
    await codes(pools.to(hop), mail())
    assert hop.commands[0] == "EHLO gate.test"


async def test_ehlo_is_said_again_after_starttls(hop: NextHop, pools: Pools, tmp_path):
    """RFC 3207 4.2: what was offered before the handshake may have been injected."""
    hop.context = self_signed(tmp_path, "a.test").server
    await codes(pools.to(hop), mail())
    assert hop.commands[:3] == ["EHLO gate.test", "STARTTLS", "EHLO gate.test"]


async def test_tls_none_never_asks_for_it(hop: NextHop, pools: Pools, tmp_path):
    hop.context = self_signed(tmp_path, "a.test").server
    await codes(pools.to(hop, tls=TlsUse.NONE), mail())
    assert not hop.received[0].tls
    assert "STARTTLS" not in hop.commands


@pytest.mark.parametrize("tls", [TlsUse.OPPORTUNISTIC, TlsUse.REQUIRED])
async def test_an_answer_injected_before_the_handshake_ends_the_connection(hop: NextHop, pools: Pools, tmp_path, tls):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop.context = certificate.server
    hop.answer("STARTTLS", "220 2.0.0 go ahead\n250 2.0.0 injected")
    pool = pools.to(hop, tls=tls, trust=certificate.certificate, limits=PoolLimits(reconnect=NO_RECONNECT))
    if tls is TlsUse.REQUIRED:
        assert "more than it was asked before TLS" in await down_reason(pool)
    else:
        assert await codes(pool, mail()) == {"bob@x.example": 250}
        assert not hop.received[0].tls


async def serve_tls(hop: NextHop, context) -> asyncio.Server:
    """TLS from the first byte (RFC 8314 3.3), as on port 465."""
    server = await asyncio.start_server(hop._serve, "127.0.0.1", 0, ssl=context)
    hop.port = server.sockets[0].getsockname()[1]
    return server


async def test_the_port_of_submissions_is_encrypted_from_the_first_byte(pools: Pools, tmp_path, monkeypatch):
    certificate = self_signed(tmp_path, "127.0.0.1")
    hop = NextHop()
    server = await serve_tls(hop, certificate.server)
    monkeypatch.setattr(target, "SUBMISSIONS_PORT", hop.port)
    result = await pools.to(hop, tls=TlsUse.REQUIRED, trust=certificate.certificate).send(mail())
    assert isinstance(result, Completed)
    assert result.tls == "TLSv1.3"
    assert "STARTTLS" not in hop.commands
    await pools.close()
    server.close()


async def test_a_certificate_nobody_trusts_is_refused_on_the_port_of_submissions(pools: Pools, tmp_path, monkeypatch):
    hop = NextHop()
    server = await serve_tls(hop, self_signed(tmp_path, "127.0.0.1").server)
    monkeypatch.setattr(target, "SUBMISSIONS_PORT", hop.port)
    pool = pools.to(hop, tls=TlsUse.REQUIRED, limits=PoolLimits(reconnect=NO_RECONNECT))
    assert (await down_reason(pool)).startswith("TLS: ")
    assert hop.commands == []
    await pools.close()
    server.close()


async def test_a_next_hop_without_plain_and_login_gets_no_password(hop: NextHop, pools: Pools):
    hop.logins, hop.auth = {"acme": "right"}, ("CRAM-MD5",)
    pool = pools.to(hop, login="acme", password="right", tls=TlsUse.NONE, limits=PoolLimits(reconnect=NO_RECONNECT))
    assert "neither AUTH PLAIN nor LOGIN" in await down_reason(pool)
    assert not any(line.startswith("AUTH") for line in hop.commands)


@pytest.mark.parametrize(
    ("answer", "readable"),
    [("334 d2FzPw==", "334 was?"), ("334 not base64", "334 not base64"), ("454 4.7.0 later", "454 4.7.0 later")],
)
async def test_the_answer_to_a_refused_login_can_be_read(hop: NextHop, pools: Pools, answer, readable):
    hop.logins = {"acme": "right"}
    hop.answer("AUTH", answer)
    pool = pools.to(hop, login="acme", password="right", tls=TlsUse.NONE, limits=PoolLimits(reconnect=NO_RECONNECT))
    assert await down_reason(pool) == f"the next hop refuses the login acme: {readable}"


async def test_a_reason_for_a_route_that_is_down_never_holds_the_password(hop: NextHop, pools: Pools):
    hop.logins = {"acme": "right"}
    limits = PoolLimits(reconnect=NO_RECONNECT)
    pool = pools.to(hop, login="acme", password="s3cret", tls=TlsUse.NONE, limits=limits)
    assert "s3cret" not in await down_reason(pool)
