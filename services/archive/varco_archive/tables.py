"""The tables of the index: a row for each copy, with the sequence of its mail in MAIL.

It holds no bodies.
"""

from enum import IntEnum

import sqlalchemy as sa


class Forward(IntEnum):
    """Whether a copy is to be forwarded, or was."""

    NO = 0
    OWED = 1
    DONE = 2


metadata = sa.MetaData()
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite autoincrements INTEGER only

# `id` counts up in the order of indexing, so a session's mailbox is all rows up to one id. `size`
# is in octets as a client gets them, 0 once the copy is removed. A removed copy leaves a tombstone
# without personal data, so that a redelivered record cannot bring the copy back.
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

# The progress of the index: `begun` is 1 once it follows MAIL, `removals` is the sequence of the
# last CopyRemoved that was applied, `fates` that of the last failed delivery that was looked at.
# `collected acme` is when a client last collected that mailbox, in ms since 1970.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
