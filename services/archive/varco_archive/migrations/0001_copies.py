"""The states of archive's projection, and the index of copies.

Revision ID: archive_0001
"""

from alembic import op

from varco_archive.tables import metadata
from varco_common.storage.database import create_projection_tables

revision = "archive_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
    metadata.create_all(op.get_bind())
