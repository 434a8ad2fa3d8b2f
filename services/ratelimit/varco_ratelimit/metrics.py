"""ratelimit's metrics."""

from prometheus_client import Counter, Gauge, Histogram

from varco_common.mail.replies import Reply

_votes = Counter("varco_ratelimit_votes", "Votes cast, by reply.", ["reply"])

VOTES = {reply: _votes.labels(reply.value) for reply in Reply}  # bound once: labels() costs more than a vote
VOTE_SECONDS = Histogram(
    "varco_ratelimit_vote_seconds", "Time to decide one ballot.", buckets=(1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2)
)
RECORDS = Counter("varco_ratelimit_records", "Records of stream MAIL counted.")
UNREAD = Counter("varco_ratelimit_records_unread", "Records that couldn't be read, and count for nobody.")
LAPSED = Counter("varco_ratelimit_lapsed", "Mails that were let pass, and then neither stored nor refused in time.")
PARTITIONS = Gauge("varco_ratelimit_partitions", "Partitions that this process votes on.")
SENDERS = Gauge("varco_ratelimit_senders", "Senders with mails that may still count.")
PAIRS = Gauge("varco_ratelimit_pairs", "Pairs of sender and recipient that are remembered.")
