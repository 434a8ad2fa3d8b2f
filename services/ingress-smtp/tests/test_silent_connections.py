"""Silent connections, on plain and TLS ports, keep no host out that has used the gate before."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from varco_common.testing.smtp import Client
from varco_common.testing.waiting import eventually
from varco_ingress_smtp.smtp import limits


@asynccontextmanager
async def from_host(world, host: str, listener: str = "smtp"):
    """A connection from this address that sends nothing by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.ports[listener], local_addr=(host, 0))
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def strangers(world, stack: AsyncExitStack, listener: str) -> None:
    """Twenty hosts take all that is left to strangers."""
    for number in range(100, 120):
        await stack.enter_async_context(from_host(world, f"127.0.0.{number}", listener))
    room = world.settings.max_connections * 3 // 4
    await eventually(lambda: len(world.admission.connections) == room)


async def turned_away(client: Client) -> bool:
    try:
        return (await client.reply())[:3] in ("421", "")
    except ConnectionError:
        return True


@pytest.mark.parametrize("listener", ["smtp", "submission", "smtps"])
async def test_a_host_with_a_mail_finds_room_and_a_stranger_does_not(start, listener):
    world = await start(max_connections=20, max_connections_per_host=5)
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail()).startswith("250 ")
    await eventually(lambda: not world.admission.connections)
    async with AsyncExitStack() as stack:
        await strangers(world, stack, listener)
        async with from_host(world, "127.0.0.200", listener) as stranger:
            assert await turned_away(stranger)
        async with world.connect() as known:
            await known.hello()
            assert (await known.mail()).startswith("250 ")


async def test_a_host_that_has_logged_in_is_known_and_one_that_guessed_is_not(start):
    world = await start(max_connections=20, max_connections_per_host=5)
    plain = {"good": "AGFsaWNlAHNlY3JldA==", "bad": "AGFsaWNlAHdyb25n"}
    for host, response in (("127.0.0.2", plain["good"]), ("127.0.0.3", plain["bad"])):
        async with from_host(world, host) as client:
            await client.hello()
            await client.start_tls(world.trust)
            await client.say("EHLO me")
            assert (await client.say(f"AUTH PLAIN {response}"))[:3] in ("235", "535")
    await eventually(lambda: not world.admission.connections)
    async with AsyncExitStack() as stack:
        await strangers(world, stack, "smtp")
        async with from_host(world, "127.0.0.2") as known, from_host(world, "127.0.0.3") as guesser:
            assert (await known.reply()).startswith("220 ")
            assert await turned_away(guesser)


async def test_a_host_s_connections_are_counted_before_their_handshake(start):
    world = await start(max_connections_per_host=2)
    async with from_host(world, "127.0.0.2", "smtps"), from_host(world, "127.0.0.2", "smtps"):
        await eventually(lambda: len(world.admission.connections) == 2)
        async with from_host(world, "127.0.0.2", "smtps") as third:
            assert await turned_away(third)
        async with from_host(world, "127.0.0.3", "smtps"):
            await eventually(lambda: len(world.admission.connections) == 3)
    await eventually(lambda: not world.admission.connections)


async def test_a_handshake_that_does_not_come_ends(world, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKE_SECONDS", 0.3)
    async with from_host(world, "127.0.0.2", "smtps") as silent:
        assert await turned_away(silent)
    await eventually(lambda: not world.admission.connections)


async def test_behind_a_balancer_the_clients_are_counted(start):
    world = await start(balancers="127.0.0.1", max_connections_per_host=1)
    async with world.connect("smtps") as first, world.connect("smtps") as second, world.connect("smtps") as third:
        first.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 465\r\n")
        await eventually(lambda: len(world.admission.connections) == 1)
        second.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 465\r\n")
        assert await turned_away(second)
        third.send(b"PROXY TCP4 192.0.2.8 127.0.0.1 4000 465\r\n")
        await eventually(lambda: len(world.admission.connections) == 2)
