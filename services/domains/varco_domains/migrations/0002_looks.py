"""When each domain and address was looked at last.

No event makes that again: without it, the daily look begins anew.

Revision ID: domains_0002
"""

import sqlalchemy as sa
from alembic import op

revision = "domains_0002"
down_revision = "domains_0001"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "looks",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
