"""audit as a service: it comes up on its own, and says what is wrong with a time."""

import sqlite3
from contextlib import closing

import pytest

from varco_common.testing.waiting import eventually


async def test_it_is_ready_with_a_bus_and_an_empty_database(gate):
    async with gate.audit() as http:
        assert (await http.get("/readyz")).json()["ready"]


async def test_it_is_not_ready_when_its_database_is_gone(gate):
    async with gate.audit() as http:
        [file] = (gate.home / "data").glob("*.sqlite")
        file.rename(file.with_suffix(".away"))
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["database"]["ok"]) == (503, False)
        file.with_suffix(".away").rename(file)
        assert (await http.get("/readyz")).status_code == 200


async def test_it_is_not_ready_while_it_cant_write(gate):
    async with gate.audit() as http:
        [file] = (gate.home / "data").glob("*.sqlite")

        async def ready(status):
            async def answered():
                answer = await http.get("/readyz")
                return answer.json() if answer.status_code == status else None

            return await eventually(answered)

        with closing(sqlite3.connect(file)) as database:
            database.execute("ALTER TABLE events RENAME TO elsewhere")
            await gate.mail()
            assert not (await ready(503))["checks"]["index"]["ok"]
            database.execute("ALTER TABLE elsewhere RENAME TO events")
        await ready(200)


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


async def test_a_time_without_an_offset_is_utc(gate):
    async with gate.audit() as http:
        assert (await http.get("/balance?since=0001-01-01T00:00:00")).status_code == 200
