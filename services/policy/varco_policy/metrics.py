"""Metrics of policy."""

from prometheus_client import Counter, Gauge, Histogram

from varco_common.mail.replies import Reply

_votes = Counter("varco_policy_votes", "Votes cast, by reply.", ["reply"])
_logins = Counter("varco_policy_logins", "Login questions answered, by outcome.", ["outcome"])

VOTES = {reply: _votes.labels(reply.value) for reply in Reply}  # labels() would take longer than a vote
VOTE_SECONDS = Histogram(
    "varco_policy_vote_seconds", "Time to decide one ballot.", buckets=(1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2)
)
LOGINS = {outcome: _logins.labels(outcome) for outcome in ("granted", "denied", "unavailable")}
ACCOUNTS = Gauge("varco_policy_accounts", "Open accounts.")
HASHING = Gauge("varco_policy_hashing", "Passwords that are being hashed or wait for it.")
