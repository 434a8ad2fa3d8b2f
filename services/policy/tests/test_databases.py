"""policy's tables: on SQLite and on PostgreSQL, away, emptied."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.grants import Grant
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_common.testing.waiting import eventually

ACME = {
    "users": [{"login": "alice", "password": "a-long-secret"}],
    "senders": ["@acme.example"],
    "networks": ["192.0.2.0/28"],
}


async def vote(policy):
    envelope = Envelope(
        id="0" * 20,
        account="acme",
        sender="a@acme.example",
        recipients=("b@c.example",),
        host="::1",
        received_at=datetime.now(UTC),
    )
    [vote] = await policy.bus.voting.collect(Ballot(envelope=envelope, manifest=Manifest()), ["policy"], 5)
    return vote


async def test_what_was_said_is_there_after_a_restart(start, database_url):
    async with start(database_url=database_url) as policy:
        await policy.put("/accounts/acme", **ACME)
        issued = (await policy.http.post("/tokens", json={"name": "ops"})).json()
        before = (await policy.http.get("/accounts/acme")).json()
    async with start(database_url=database_url) as policy:
        assert (await policy.http.get("/accounts/acme")).json() == before
        assert [token["id"] for token in (await policy.http.get("/tokens")).json()] == [issued["id"]]
        assert isinstance(await policy.login("alice", "a-long-secret"), Grant)
        await policy.put("/accounts/acme/rules", max_recipients=7)
        assert (await policy.network("192.0.2.1")).max_recipients == 7


async def test_an_emptied_database_is_filled_from_the_events(start, database_url):
    async with start(database_url=database_url) as policy:
        await policy.put("/accounts/acme", **ACME)
        before = (await policy.http.get("/accounts/acme")).json()
    engine = create_async_engine(database_url)
    schema = "policy." if "postgresql" in database_url else ""
    async with engine.begin() as connection:
        await connection.execute(sa.text(f"DELETE FROM {schema}states"))
        await connection.execute(sa.text(f"DELETE FROM {schema}progress"))
    await engine.dispose()
    async with start(database_url=database_url) as policy:
        assert (await policy.http.get("/accounts/acme")).json() == before


async def test_while_the_database_is_away_votes_and_logins_go_on_and_changes_wait(start, postgres, postgres_url):
    async with start(database_url=postgres_url) as policy:
        await policy.put("/accounts/acme", **ACME)
        await postgres.stop()
        try:
            refused = await policy.http.put("/accounts/acme/rules", json={"max_recipients": 7})
            assert refused.status_code == 503
            assert (await vote(policy)).reply is Reply.ACCEPTED
            assert isinstance(await policy.login("alice", "a-long-secret"), Grant)
            assert (await policy.http.get("/accounts/acme")).status_code == 200
            ready = (await policy.http.get("/readyz")).json()
            assert (ready["state"], ready["checks"]["accounts"]["degrades"]) == ("degraded", True)
            assert "settings can't be changed" in ready["checks"]["accounts"]["why"]
        finally:
            await postgres.start()

        async def serving():
            return (await policy.http.get("/readyz")).json()["state"] == "serving"

        await eventually(serving)
        await policy.put("/accounts/acme/rules", max_recipients=7)
    async with start(database_url=postgres_url) as policy:
        assert (await policy.http.get("/accounts/acme/rules")).json()["max_recipients"] == 7
