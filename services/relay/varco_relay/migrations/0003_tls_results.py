"""Results of TLS with recipients' domains, until they are reported. No event makes them again.

Revision ID: relay_0003
"""

import sqlalchemy as sa
from alembic import op

revision = "relay_0003"
down_revision = "relay_0002"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "tls_results",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("sessions", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
