"""audit as a service: it comes up on its own, and says what is wrong with a time."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from varco_common.events import AccountClosed, AccountOpened
from varco_common.runtime.follower_limit import MAX_STREAMS
from varco_common.testing.waiting import eventually


async def test_it_is_ready_with_a_bus_and_an_empty_database(gate):
    async with gate.audit() as http:
        assert (await http.get("/readyz")).json()["ready"]


async def test_it_is_degraded_when_its_database_is_gone(gate):
    async with gate.audit() as http:
        [file] = (gate.home / "data").glob("*.sqlite")
        file.rename(file.with_suffix(".away"))
        answer = await http.get("/readyz")
        assert (answer.json()["state"], answer.json()["checks"]["database"]["ok"]) == ("degraded", False)
        file.with_suffix(".away").rename(file)
        assert (await http.get("/readyz")).json()["state"] == "serving"


async def test_it_is_degraded_while_it_cant_write(gate):
    async with gate.audit() as http:
        [file] = (gate.home / "data").glob("*.sqlite")

        async def ready(state):
            async def answered():
                answer = await http.get("/readyz")
                return answer.json() if answer.json()["state"] == state else None

            return await eventually(answered)

        await asyncio.to_thread(execute, file, "ALTER TABLE events RENAME TO elsewhere")
        await gate.mail()
        assert not (await ready("degraded"))["checks"]["index"]["ok"]
        await asyncio.to_thread(execute, file, "ALTER TABLE elsewhere RENAME TO events")
        await ready("serving")


def execute(file: Path, statement: str) -> None:
    """In a thread: audit, whose transaction may hold the lock, runs in this event loop."""
    with closing(sqlite3.connect(file, timeout=60)) as database:
        database.execute(statement)


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/acme/state?at=0001-01-01T00:00:00%2B14:00",
        "/accounts/acme/replay/verify?since=0001-01-01T00:00:00%2B14:00",
        "/accounts/acme/replay/verify?since=2026-01-01T00:00:00Z&until=9999-12-31T23:59:59-14:00",
    ],
)
async def test_a_time_that_is_none_in_utc_is_refused(gate, path):
    async with gate.audit() as http:
        assert (await http.get(path)).status_code == 422


async def test_a_token_follows_so_many_streams_and_no_more(gate):
    url = "/events/stream?follow=true"
    async with gate.audit() as http, gate.client() as other, AsyncExitStack() as streams:
        for _ in range(MAX_STREAMS - 1):
            await streams.enter_async_context(http.stream("GET", url))
        async with http.stream("GET", url):
            refused = await http.get(url)
            assert (refused.status_code, f"{MAX_STREAMS} streams" in refused.json()["detail"]) == (429, True)
            assert refused.headers["content-type"] == "application/problem+json"
            assert (await http.get("/events/stream")).status_code == 200
            async with other.stream("GET", url) as another:
                assert another.status_code == 200

        async def admitted():
            async with http.stream("GET", url) as again:
                return again.status_code == 200

        await eventually(admitted)


SINCE = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", f"/accounts/nosuch/replay/verify?since={SINCE}", None),
        ("GET", "/accounts/nosuch/state?sequence=1", None),
        ("POST", "/accounts/nosuch/whatif", {"sections": {}, "since": SINCE}),
    ],
)
async def test_an_account_that_never_was_has_no_past(gate, method, path, form):
    await gate.bus.events.append(AccountOpened(at=datetime.now(UTC), account="acme", language="en"))
    await gate.bus.events.append(AccountClosed(at=datetime.now(UTC), account="acme"))
    async with gate.audit(voters=("audit",)) as http:  # audit alone replays here
        answer = await http.request(method, path, json=form)
        assert (answer.status_code, answer.json()["detail"]) == (404, "no such account: nosuch")
        closed = await http.request(method, path.replace("nosuch", "acme"), json=form, timeout=30)
        assert closed.status_code == 200


async def test_a_time_without_an_offset_is_utc(gate):
    async with gate.audit() as http:
        assert (await http.get("/balance?since=0001-01-01T00:00:00")).status_code == 200
