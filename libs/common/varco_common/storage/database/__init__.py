"""A service's tables: SQLite by default, or a schema of its own in PostgreSQL."""

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.storage.database.engine import DATABASE_ERRORS, READ_ONLY, connect, in_words, log_in, schema_of
from varco_common.storage.database.migration import migrate, revisions
from varco_common.storage.database.projection_tables import create_projection_tables, progress, states

__all__ = [
    "DATABASE_ERRORS",
    "READ_ONLY",
    "AsyncEngine",
    "connect",
    "create_projection_tables",
    "in_words",
    "log_in",
    "migrate",
    "progress",
    "revisions",
    "schema_of",
    "states",
]
