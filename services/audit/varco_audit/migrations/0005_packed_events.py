"""The events that searches find, compressed.

Revision ID: audit_0005
"""

from alembic import op

from varco_audit.index.tables import metadata, packed_events

revision = "audit_0005"
down_revision = "audit_0004"


def upgrade() -> None:
    """Creates the table; it is filled from the first event on."""
    metadata.create_all(op.get_bind(), tables=[packed_events])
