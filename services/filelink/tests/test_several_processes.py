"""Two filelinks share mails, links and files, and nothing is done twice."""

import asyncio
import hashlib
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import nats
import pytest

from varco_common.bus.streams import mail_stream
from varco_common.events import AttachmentLinked, LinkExpired, LinkExtended, LinkRevoked
from varco_common.testing import free_port, running
from varco_common.testing.waiting import eventually

from . import layouts
from .conftest import Gate
from .test_crash import idle, uploads, works

SIZE = 20_000_000 // 32 * 32


class Pair:
    """Both processes and their APIs; a mail goes to whichever is free."""

    def __init__(self, gate: Gate, clients: list[httpx.AsyncClient], processes: list[subprocess.Popen[bytes]]) -> None:
        self.gate, self.clients, self.processes = gate, clients, processes


@asynccontextmanager
async def pair(gate: Gate, constants: str = "") -> AsyncIterator[Pair]:
    """Two processes on one database, each with ports of its own."""
    await gate.account()
    ports = [
        {"api_port": gate.port, "links_port": gate.links_port},
        {"api_port": free_port(), "links_port": free_port()},
    ]
    processes = [gate.process(constants, **each) for each in ports]
    try:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(gate.client()) for _ in ports]
            for client, each in zip(clients, ports, strict=True):
                client.base_url = httpx.URL(f"http://127.0.0.1:{each['api_port']}")
                await running.ready(client)
            await gate.set_links(clients[0])
            yield Pair(gate, clients, processes)
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait)


@pytest.fixture
async def forgetful(gate: Gate) -> None:
    """The bus detects a repeated append for a tenth of a second only, not two minutes."""
    connection = await nats.connect(gate.nats.url)
    try:
        config = mail_stream(gate.nats.settings())
        config.duplicate_window = 0.1
        await connection.jetstream().update_stream(config)
    finally:
        await connection.close()


def heavy(seed: str) -> bytes:
    content = hashlib.sha256(seed.encode()).digest() * (SIZE // 32)
    return layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf(content=content)))


async def test_equal_files_that_both_convert_are_stored_once_and_deleted_once_with_the_last_link(gate):
    async with pair(gate) as both:
        mails = await asyncio.gather(*(gate.accept(layouts.GMAIL) for _ in range(12)))
        for mail in mails:
            await gate.converted_body(mail)
        made = await gate.events(AttachmentLinked)
        stored = await gate.files.keys(timedelta(seconds=-60))
        assert sorted(event.mail for event in made) == sorted(mails)
        assert {event.object for event in made} == {key for key in stored if key.split("/")[1] in mails}
        assert len({event.object for event in made}) == 1
        paths = [f"/links/{event.link}/revoke" for event in made]
        answers = await asyncio.gather(*(client.post(path) for path in paths for client in both.clients))
        assert {answer.status_code for answer in answers} == {200}
        ended = await gate.events(LinkRevoked)
        assert Counter(event.link for event in ended) == dict.fromkeys((event.link for event in made), 1)
        assert sorted(event.gone for event in ended)[-2:] == ["", made[0].object]
        assert not await gate.files.exists(made[0].object)


async def test_links_whose_time_is_over_are_ended_once_although_both_look_after_them(gate):
    async with pair(gate, "link_sweeper.EXPIRE_SECONDS = 0.01") as both:
        bodies = [layouts.mail(layouts.pdf(content=b"%%PDF-%d" % n + bytes(20_000))) for n in range(12)]
        mails = await asyncio.gather(*map(gate.accept, bodies))
        for mail in mails:
            await gate.converted_body(mail)
        made, past = await gate.events(AttachmentLinked), datetime.now(UTC) - timedelta(seconds=1)
        for event in made:
            await gate.bus.events.append(LinkExtended(at=past, account="acme", link=event.link, expires_at=past))
        live = {"state": "live"}, {"state": "ending"}
        for client in both.clients:
            for state in live:
                await eventually(lambda c=client, s=state: none(c, s))
        ended = await gate.events(LinkExpired)
        assert sorted(event.link for event in ended) == sorted(event.link for event in made)
        assert {event.gone for event in ended} == {event.object for event in made}


async def none(client: httpx.AsyncClient, params: dict[str, str]) -> bool:
    return (await client.get("/links", params=params)).json()["total"] == 0


async def test_what_one_left_when_it_was_killed_the_other_takes_up(gate, forgetful):
    async with pair(gate) as both:
        mails = [await gate.accept(heavy(f"{n}"), stored=True) for n in range(4)]
        await eventually(lambda: uploads(gate))
        both.processes[0].kill()
        for mail in mails:
            await gate.converted_body(mail)
        await eventually(lambda: idle(gate))
        made = await gate.events(AttachmentLinked)
        assert sorted(event.mail for event in made) == sorted(mails)
        assert [len(await gate.converted(mail)) for mail in mails] == [1] * 4


async def test_one_that_wakes_after_the_other_did_its_work_sends_nothing_a_second_time(gate, forgetful):
    """Stopped in the middle of a conversion, as on a suspended host, it goes on later."""
    async with pair(gate) as both:
        first, second = both.processes
        bodies = [heavy("stalled"), layouts.APPLE]
        ballots = [gate.ballot(body) for body in bodies]
        parts = [(await gate.vote(ballot)).convert for ballot in ballots]  # while both can vote
        second.send_signal(signal.SIGSTOP)
        mail = await gate.take(ballots[0], parts[0], bodies[0], stored=True)
        await eventually(lambda: uploads(gate))
        first.send_signal(signal.SIGSTOP)
        second.send_signal(signal.SIGCONT)
        await gate.converted_body(mail)
        second.send_signal(signal.SIGSTOP)
        first.send_signal(signal.SIGCONT)
        await gate.converted_body(await gate.take(ballots[1], parts[1], bodies[1]))  # by the one that was stopped
        await eventually(lambda: idle(gate))
        assert len(await gate.converted(mail)) == 1
        [made] = [event for event in await gate.events(AttachmentLinked) if event.mail == mail]
        assert await works(gate.url(made)) == SIZE


async def test_neither_sweeps_what_the_other_writes(gate):
    async with pair(gate, "link_sweeper.SWEEP_SECONDS, link_sweeper.ORPHAN_AGE = 0.01, timedelta(seconds=3)"):
        mails = [await gate.accept(heavy(f"sweep {n}"), stored=True) for n in range(3)]
        await gate.files.put("acme/lost/2", b"left behind by a crash")
        for mail in mails:
            await gate.converted_body(mail)
        await eventually(lambda: swept(gate))
        for event in await gate.events(AttachmentLinked):
            assert await works(gate.url(event)) == SIZE


async def swept(gate: Gate) -> bool:
    return not await gate.files.exists("acme/lost/2")
