"""audit as a service: it comes up on its own, and says what is wrong with a time."""

import pytest


async def test_it_is_ready_with_a_bus_and_an_empty_database(gate):
    async with gate.audit() as http:
        assert (await http.get("/readyz")).json()["ready"]


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
