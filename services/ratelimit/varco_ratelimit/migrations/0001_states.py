"""The states of ratelimit's projection, the mails that count, and whom each sender has written to.

Revision ID: ratelimit_0001
"""

from alembic import op

from varco_common.storage.database import create_projection_tables
from varco_ratelimit.counted_mail_store import tables

revision = "ratelimit_0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_projection_tables(op.get_bind())
    tables.create_all(op.get_bind())
