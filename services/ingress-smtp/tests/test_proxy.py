"""PROXY protocol: balancers must speak it, others may not, and the client's address counts."""

import socket
import struct
from contextlib import suppress

import pytest

from varco_common.events.ban_table import normal_address

V2 = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(host="192.0.2.7", command=1):
    address = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4000, 25)
    return V2 + struct.pack("!BBH", 0x20 | command, 0x11, len(address)) + address


@pytest.fixture
async def world(start):
    world = await start(balancers="127.0.0.1")
    world.policy.networks["192.0.2.7"] = world.policy.networks.pop("127.0.0.1")
    return world


def v2_mapped(host="192.0.2.7"):
    address = (b"\0" * 10 + b"\xff\xff" + socket.inet_aton(host)) * 2 + struct.pack("!HH", 4000, 25)
    return V2 + struct.pack("!BBH", 0x21, 0x21, len(address)) + address


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n",
        b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:127.0.0.1 4000 25\r\n",
        b"PROXY TCP6 ::ffff:c000:207 ::ffff:7f00:1 4000 25\r\n",
        v2(),
        v2_mapped(),
    ],
)
async def test_the_client_behind_the_balancer_is_who_sends(world, header):
    async with world.connect() as client:
        client.send(header)
        await client.hello()
        assert (await client.mail()).startswith("250 ")
    assert world.policy.ballots[0].envelope.host == "192.0.2.7"


async def test_tls_may_follow_the_header_in_the_same_packet(world):
    async with world.connect("smtps") as client:
        client.send(v2())
        await client.writer.start_tls(world.trust, server_hostname="gate.example")
        await client.hello()
        assert (await client.mail()).startswith("250 ")


@pytest.mark.parametrize(
    "header",
    [b"EHLO me\r\n", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY TCP4 nonsense x 1 2\r\n", b"\x16\x03\x01\x00\x05hello\r\n"],
)
async def test_a_balancer_without_a_good_header_is_closed_on(world, header):
    async with world.connect() as client:
        client.send(header)
        with suppress(ConnectionResetError):  # bytes that nobody reads make the end a reset
            assert await client.reply() == ""


async def test_a_header_cut_into_bytes_is_read_and_not_one_byte_more(world):
    async with world.connect() as client:
        for byte in v2() + b"EHLO me\r\n":
            client.send(bytes([byte]))
            await client.writer.drain()
        assert (await client.reply()).startswith("220 ")
        assert (await client.reply()).startswith("250-")


async def test_a_balancers_own_check_gets_a_greeting_and_can_send_nothing(world):
    world.policy.networks["127.0.0.1"] = world.policy.networks["192.0.2.7"]
    async with world.connect() as client:
        client.send(v2(command=0))
        await client.hello()
        assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("530 ")


async def test_who_is_no_balancer_may_not_speak_it(start):
    world = await start(balancers="192.0.2.0/24")
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail()).startswith("250 ")
        assert (await client.say("PROXY TCP4 192.0.2.7 127.0.0.1 4000 25")).startswith("554 5.7.0 ")
        assert await client.reply() == ""


async def test_direct_clients_beside_a_balancer_need_no_header(start):
    world = await start(balancers="192.0.2.0/24")
    async with world.connect("smtps", tls=True) as client:
        await client.hello()
        assert (await client.mail()).startswith("250 ")


@pytest.mark.parametrize("address", ["::ffff:192.0.2.7", "::ffff:c000:207", "0:0:0:0:0:ffff:c000:0207", "192.0.2.7"])
def test_an_ipv4_address_has_one_form_however_a_socket_writes_it(address):
    assert normal_address(address) == "192.0.2.7"
