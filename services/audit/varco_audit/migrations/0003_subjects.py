"""The subjects of mails.

Revision ID: audit_0003
"""

from alembic import op

from varco_audit.index.tables import metadata, subjects

revision = "audit_0003"
down_revision = "audit_0002"


def upgrade() -> None:
    """Creates the table; it is filled from the first event on."""
    metadata.create_all(op.get_bind(), tables=[subjects])
