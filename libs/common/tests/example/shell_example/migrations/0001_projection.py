"""What every service's first migration does."""

from alembic import op

from varco_common.storage import database

revision = "0001"
down_revision = None


def upgrade() -> None:
    database.create_projection_tables(op.get_bind())
