"""The states of banguard's projections.

Revision ID: banguard_0001
"""

from alembic import op

from varco_common.storage.database import create_projection_tables

revision = "banguard_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
