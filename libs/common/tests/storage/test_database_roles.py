"""A role and a schema for each service, on a real PostgreSQL."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine

from varco_common.storage import database
from varco_common.storage.database import roles


def as_role(url: str, role: str) -> str:
    return url.replace("postgres@", f"{role}:secret@")


async def test_a_service_migrates_in_its_own_schema_without_being_a_superuser(postgres_url, example):
    await roles.ensure(postgres_url, {"shell-example": "secret"})

    async with database.connect(as_role(postgres_url, "shell_example"), "shell-example") as engine:
        await database.migrate(engine, example)
        async with engine.connect() as connection:
            assert await connection.scalar(sa.text("SELECT count(*) FROM notes")) == 0
            assert await connection.scalar(sa.text("SELECT current_user")) == "shell_example"


async def test_no_service_reads_anothers_tables(postgres_url, example):
    await roles.ensure(postgres_url, {"shell-example": "secret", "other": "secret"})
    async with database.connect(as_role(postgres_url, "shell_example"), "shell-example") as engine:
        await database.migrate(engine, example)

    async with database.connect(as_role(postgres_url, "other"), "other") as engine, engine.connect() as connection:
        with pytest.raises(ProgrammingError, match="permission denied for schema shell_example"):
            await connection.scalar(sa.text("SELECT count(*) FROM shell_example.notes"))


async def test_what_is_there_stays_and_what_is_missing_is_added(postgres_url, example):
    await roles.ensure(postgres_url, {"shell-example": "secret"})
    async with database.connect(as_role(postgres_url, "shell_example"), "shell-example") as engine:
        await database.migrate(engine, example)
        async with engine.begin() as connection:
            await connection.execute(sa.text("INSERT INTO notes (id, text) VALUES (1, 'kept')"))

    await roles.ensure(postgres_url, {"shell-example": "it's another", "later": "secret"})

    async with database.connect(postgres_url, "shell-example") as engine, engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT text FROM notes")) == "kept"
        names = await connection.scalars(sa.text("SELECT nspname FROM pg_namespace WHERE nspname IN ('later')"))
        assert names.all() == ["later"]


async def test_a_role_that_may_create_roles_and_owns_the_database_is_enough(postgres_url, example):
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        name = await connection.scalar(sa.text("SELECT current_database()"))
        await connection.execute(sa.text("CREATE ROLE provided LOGIN CREATEROLE"))
        await connection.execute(sa.text(f"ALTER DATABASE {name} OWNER TO provided"))
    try:
        for password in ("first", "second"):
            await roles.ensure(postgres_url.replace("postgres@", "provided@"), {"by-provided": password})
        async with database.connect(as_role(postgres_url, "by_provided"), "by-provided") as own:
            await database.migrate(own, example)
    finally:
        async with engine.begin() as connection:
            await connection.execute(sa.text(f"ALTER DATABASE {name} OWNER TO postgres"))
            for role in ("by_provided", "provided"):
                await connection.execute(sa.text(f"DROP OWNED BY {role} CASCADE"))
                await connection.execute(sa.text(f"DROP ROLE {role}"))
        await engine.dispose()
