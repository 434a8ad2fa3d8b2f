"""How far the index goes, and the index itself.

Revision ID: audit_0001
"""

from alembic import op

from varco_audit.index.tables import events, facts, metadata, others, recipients
from varco_common.storage.database import create_projection_tables

revision = "audit_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
    metadata.create_all(op.get_bind(), tables=[facts, events, recipients, others])
