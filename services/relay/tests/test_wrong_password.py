"""A database that refuses the password ends relay with one line, as a broken setting does."""

import asyncpg
import sqlalchemy as sa

from varco_common.testing.postgres import STRICT_ROLE


async def test_a_wrong_database_password_is_one_line(gate, postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    connection = await asyncpg.connect(user="postgres", host=url.host, port=url.port, database=url.database)
    await connection.execute(f"CREATE ROLE {STRICT_ROLE} LOGIN PASSWORD 'right'")
    try:
        wrong = url.set(username=STRICT_ROLE, password="wrong").render_as_string(hide_password=False)
        assert gate.process(database_url=wrong).wait(60) == 2
    finally:
        await connection.execute(f"DROP ROLE {STRICT_ROLE}")
        await connection.close()
    lines = (gate.home / "relay.log").read_text().splitlines()
    [line] = [line for line in lines if not line.startswith("{")]
    assert line.startswith("VARCO_DATABASE_URL=")
    assert line.endswith(f'password authentication failed for user "{STRICT_ROLE}"')
    assert "wrong@" not in line
    assert not any("traceback" in line for line in lines)
