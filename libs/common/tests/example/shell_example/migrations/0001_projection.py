"""What every service's first migration does."""

from alembic import op

from varco_common import db

revision = "0001"
down_revision = None


def upgrade() -> None:
    db.create_projection_tables(op.get_bind())
