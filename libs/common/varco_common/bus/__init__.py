"""The only door to NATS: appends, follows, pulls, questions and ballots."""
