"""What Prometheus reads of the proof."""

from prometheus_client import Counter, Gauge

TREE = Gauge("varco_audit_tree_events", "Events in the Merkle tree")
UNSIGNED = Gauge(
    "varco_audit_unsigned_events", "Events in the tree that no checkpoint covers, checkpoints themselves left out"
)
SIZE = Gauge("varco_audit_checkpoint_events", "Events that the last checkpoint covers")
SIGNED_AT = Gauge(
    "varco_audit_checkpoint_timestamp_seconds", "When the last checkpoint was signed, in seconds since 1970"
)
AGE = Gauge("varco_audit_checkpoint_age_seconds", "Age of the last checkpoint; it grows where there is no traffic")
FAILURES = Counter("varco_audit_verification_failures_total", "Times that EVENTS was found not to be what was signed")
BROKEN = Gauge("varco_audit_history_broken", "1: EVENTS isn't what was signed, and nothing is signed any more")
HASHED = Counter("varco_audit_hashed_total", "Events that were hashed into the tree")
