"""The tables in which projections store their states, and how far each has come."""

import sqlalchemy as sa

_metadata = sa.MetaData()
states = sa.Table(
    "states",
    _metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
progress = sa.Table(
    "progress",
    _metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)


def create_projection_tables(connection: sa.Connection) -> None:
    """For the first migration of each service."""
    _metadata.create_all(connection)
