"""Copies are found by their place in MAIL: whoever erases from MAIL asks for them.

Revision ID: archive_0002
"""

from alembic import op

revision = "archive_0002"
down_revision = "archive_0001"


def upgrade() -> None:
    """Creates the index, where the first step didn't make it with its table."""
    op.create_index("copies_sequence", "copies", ["sequence"], if_not_exists=True)
