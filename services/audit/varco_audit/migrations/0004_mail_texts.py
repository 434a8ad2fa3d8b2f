"""The texts that mails are searched by.

Revision ID: audit_0004
"""

from alembic import op

from varco_audit.index.tables import mail_texts, metadata

revision = "audit_0004"
down_revision = "audit_0003"


def upgrade() -> None:
    """Creates the table; it is filled from the first event on."""
    metadata.create_all(op.get_bind(), tables=[mail_texts])
