"""The balance.

Revision ID: audit_0002
"""

from alembic import op

from varco_audit.reconciliation.tables import metadata

revision = "audit_0002"
down_revision = "audit_0001"


def upgrade() -> None:
    """Creates its tables; they are filled from the first event on."""
    metadata.create_all(op.get_bind())
