"""The index of events: a narrow row for each, which says where in EVENTS it lies. No payload is ever in it."""

import sqlalchemy as sa

metadata = sa.MetaData()

# `sequence` is the place in EVENTS. What an event says nothing of is NULL, and in no index.
events = sa.Table(
    "events",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("fact", sa.SmallInteger, nullable=False),
    sa.Column("account", sa.Text),
    sa.Column("mail", sa.Text),
    sa.Column("message_id", sa.Text),
    sa.Column("sender", sa.Text),
    sa.Column("host", sa.Text),
    sa.Column("login", sa.Text),
)

# The few kinds of events by number: their names in each row would be a fifth of the file.
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("fact", sa.Text, nullable=False),
)

# Everybody that an event names as a recipient, and ids beside the mail's own (see columns.About).
recipients = sa.Table(
    "recipients",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
others = sa.Table(
    "others",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)


def _index(name: str) -> None:
    """Each value's events in order. SQLite's indexes end in the row's number anyway, which is the sequence."""
    column = events.c[name]
    there = column.is_not(None)
    sa.Index(f"events_{name}", column, sqlite_where=there).ddl_if(dialect="sqlite")
    sa.Index(f"events_{name}_pg", column, events.c.sequence, postgresql_where=there).ddl_if(dialect="postgresql")


for _name in ("fact", "account", "mail", "message_id", "sender", "host", "login"):
    _index(_name)
