"""The states of ratelimit's projection, and whom each sender has written to.

Revision ID: ratelimit_0001
"""

from alembic import op

from varco_common.db import create_projection_tables
from varco_ratelimit.memory import met

revision = "ratelimit_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
    met.metadata.create_all(op.get_bind(), tables=[met])
