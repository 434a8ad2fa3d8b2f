"""The tables of the index. A row names the event's place in EVENTS."""

import sqlalchemy as sa

metadata = sa.MetaData()

# `sequence` is the place in EVENTS. A field that the event does not have is NULL, and in no index.
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

# The kinds of events by number. Their names in each row would take a fifth of the file.
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("fact", sa.Text, nullable=False),
)

# All recipients that an event names, and the ids in `IndexFields.others`.
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

# The subjects of mails in lower case, by the event of their decision.
subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
)

# What a mail is searched by, in lower case: by the event of its decision, or of a failed attempt.
mail_texts = sa.Table(
    "mail_texts",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("mail", sa.Text, nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("mail_texts_account", "account", "sequence"),
    sa.Index("mail_texts_reply", "kind", "sequence", "reply"),  # counts refusals without the rows
)

# The events that searches find, several in a row, compressed (ADR 48). None may have secrets.
packed_events = sa.Table(
    "packed_events",
    metadata,
    sa.Column("pack", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("events", sa.LargeBinary, nullable=False),
)


def _index(name: str) -> None:
    """An index that lists the events of a value in their order.

    SQLite appends the row number to each index entry, which is the sequence here.
    """
    column = events.c[name]
    present = column.is_not(None)
    sa.Index(f"events_{name}", column, sqlite_where=present).ddl_if(dialect="sqlite")
    sa.Index(f"events_{name}_pg", column, events.c.sequence, postgresql_where=present).ddl_if(dialect="postgresql")


for _name in ("fact", "account", "mail", "message_id", "sender", "host", "login"):
    _index(_name)
