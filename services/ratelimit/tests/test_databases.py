"""ratelimit's own tables: on SQLite and on PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from varco_common.mail.replies import Reply

from .conftest import ballot, until

FRIENDS = tuple(f"friend{number}@dest.example" for number in range(3))


async def saved(database_url: str) -> tuple[int, int]:
    """How many mails and how many pairs of sender and recipient the database has."""
    schema = "ratelimit." if "postgresql" in database_url else ""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            mails = await connection.scalar(sa.text(f"SELECT count(*) FROM {schema}counted"))
            return mails, await connection.scalar(sa.text(f"SELECT count(*) FROM {schema}met"))
    finally:
        await engine.dispose()


async def test_what_was_counted_and_whom_one_has_met_is_there_after_a_restart(start, database_url):
    async with start(database_url=database_url) as gate:
        await gate.quotas(messages=3, first_time_recipients=3)
        for number in (1, 2):  # the second once the first is counted: until then its recipients are first-time ones
            assert await gate.send(ballot("alice@acme.example", *FRIENDS)) is Reply.ACCEPTED
            await gate.counted(number)
        before = (await gate.sender())["mails"]
    assert await saved(database_url) == (2, 3)
    async with start(database_url=database_url) as gate:
        assert (await gate.sender())["mails"] == before
        assert await gate.send(ballot("alice@acme.example", "new@dest.example")) is Reply.QUOTA_EXCEEDED
        assert await gate.send(ballot("alice@acme.example", *FRIENDS)) is Reply.ACCEPTED
        assert await gate.send(ballot("alice@acme.example", *FRIENDS)) is Reply.QUOTA_EXCEEDED


async def test_what_counts_is_saved_while_mail_goes_on(start, database_url):
    async with start(database_url=database_url) as gate:
        await gate.quotas(messages=100)
        for number in range(3):
            assert await gate.send(ballot("alice@acme.example", f"r{number}@dest.example")) is Reply.ACCEPTED

            async def is_saved(number=number):
                return await saved(database_url) == (number + 1, number + 1)

            await until(is_saved)
