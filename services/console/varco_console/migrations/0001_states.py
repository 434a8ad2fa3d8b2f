"""The states of console's projection: people with their sessions.

Revision ID: console_0001
"""

from alembic import op

from varco_common.storage.database import create_projection_tables

revision = "console_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
