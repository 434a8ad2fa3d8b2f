"""Sealed tokens of next hops. No event makes them again: without them they are asked for anew.

Revision ID: relay_0002
"""

import sqlalchemy as sa
from alembic import op

revision = "relay_0002"
down_revision = "relay_0001"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "oauth_tokens",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
