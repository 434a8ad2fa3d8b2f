"""The index of events.

Revision ID: audit_0001
"""

from alembic import op

from varco_common.db import create_projection_tables

revision = "audit_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
