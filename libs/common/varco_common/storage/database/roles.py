"""Roles and schemas in PostgreSQL, one for each service: none can read another's tables."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from varco_common.base.errors import TransientError
from varco_common.storage.database.engine import DATABASE_ERRORS, check_login, in_words, schema_of

_MAX_CONNECTIONS = 30  # for one role, so that a faulty service leaves some to the others


async def ensure(url: str, passwords: Mapping[str, str]) -> None:
    """Creates the role and the schema of each service in `passwords`, and sets the role's password.

    `url` is that of a superuser, or of a role that may create roles and owns the database, as
    providers give one. Raises TransientError while the server can't be reached.
    """
    engine = create_async_engine(url, connect_args={"timeout": 5, "command_timeout": 30})
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('varco roles'))"))
            database = str(await connection.scalar(sa.text("SELECT quote_ident(current_database())")))
            await connection.execute(sa.text(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"))
            await connection.execute(sa.text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
            for service, password in passwords.items():
                await _ensure(connection, database, schema_of(service), password)
    except DATABASE_ERRORS as error:
        if isinstance(error, sa.exc.ProgrammingError):
            raise
        check_login(error, sa.make_url(url))
        raise TransientError(f"the database is away: {in_words(error)}") from None
    finally:
        await engine.dispose()


async def _ensure(connection: AsyncConnection, database: str, name: str, password: str) -> None:
    known = await connection.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
    verb = "ALTER" if known else "CREATE"
    right = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    grant = "" if await connection.scalar(sa.text(right)) else f"GRANT {name} TO CURRENT_USER"
    literal = await connection.scalar(sa.text("SELECT quote_literal(:password)"), {"password": password})
    for statement in (
        f"{verb} ROLE {name} LOGIN CONNECTION LIMIT {_MAX_CONNECTIONS} PASSWORD {literal}",
        *filter(None, [grant]),  # else nobody but a superuser may give a schema to the role
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}",
    ):
        await connection.exec_driver_sql(statement)
