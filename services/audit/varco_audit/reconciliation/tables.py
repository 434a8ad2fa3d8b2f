"""The tables of the balance."""

import sqlalchemy as sa

metadata = sa.MetaData()

# `hour` is the hour since 1970 in which the mail was stored, `kind` is mail, copy or dsn.
# The other columns count recipients.
hourly_counts = sa.Table(
    "balance_hours",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("hour", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("accepted", "delivered", "bounced", "expired", "dropped")
    ),
)

# `OutstandingMail`; `left` is a JSON list of recipients.
outstanding_mails = sa.Table(
    "balance_debts",
    metadata,
    sa.Column("mail", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("left", sa.Text, nullable=False),
)

# Outcomes that arrived before their mail: `outcomes` is a JSON object, by recipient.
early_outcomes = sa.Table(
    "balance_early",
    metadata,
    sa.Column("mail", sa.Text, primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("outcomes", sa.Text, nullable=False),
)
