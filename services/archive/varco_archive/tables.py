"""The index of copies: a row for each, which says where its mail lies in stream MAIL. No body is ever in it."""

from enum import IntEnum

import sqlalchemy as sa


class Forward(IntEnum):
    """What is owed to the forwarding address."""

    NO = 0
    OWED = 1
    DONE = 2


metadata = sa.MetaData()
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up integers alone

# `id` counts up in the order of indexing: a session's mailbox is what stands at or below one of them. `size` is in octets as
# they go to the client, 0 once the copy is removed. A removed copy stays as a tombstone without what it says of people, so
# that a bus which forgot what it was told can't bring the copy back.
copies = sa.Table(
    "copies",
    metadata,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("mail", sa.Text, nullable=False, unique=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("arrived_ms", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),  # in the POP3 mailbox
    sa.Column("forward", sa.SmallInteger, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("copy", sa.Text, nullable=False, index=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("recipients", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
_LIVE, _OWED = copies.c.live, copies.c.forward == sa.literal_column("1")
sa.Index(
    "copies_live",
    copies.c.account,
    copies.c.id,
    copies.c.size,
    copies.c.mail,
    sqlite_where=_LIVE,
    postgresql_where=_LIVE,
)
sa.Index("copies_sequence", copies.c.sequence)
sa.Index("copies_arrived", copies.c.account, copies.c.arrived_ms, sqlite_where=_LIVE, postgresql_where=_LIVE)
sa.Index("copies_owed", copies.c.id, sqlite_where=_OWED, postgresql_where=_OWED)

# How far the index has come: `begun` once it follows MAIL, `removals` the last CopyRemoved event that it has applied.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
