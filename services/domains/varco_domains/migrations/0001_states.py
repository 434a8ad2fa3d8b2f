"""The states of domains' projection.

Revision ID: domains_0001
"""

from alembic import op

from varco_common.storage.database import create_projection_tables

revision = "domains_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
