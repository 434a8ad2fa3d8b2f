"""The Prometheus metrics of audit."""

from prometheus_client import Counter, Gauge

from varco_common.base import subjects

RECORDED = Counter("varco_audit_recorded_total", "Records of stream MAIL that were written to EVENTS")
UNRECORDED = Gauge("varco_audit_unrecorded", "Records of stream MAIL that are not in EVENTS yet")
RECORD_LAG = Gauge("varco_audit_record_lag_seconds", "Age of the newest record when it was written to EVENTS")

INDEXED = Counter("varco_audit_indexed_total", "Events that were indexed")
INDEX_PENDING = Gauge("varco_audit_index_lag_events", "Events that are not indexed yet")
INDEX_LAG = Gauge("varco_audit_index_lag_seconds", "Age of the oldest event that is not indexed yet")

ERASED = Counter("varco_audit_erased_total", "Records that were erased from stream MAIL", ["kind"])
for _kind in subjects.KINDS:  # a rate needs a first value
    ERASED.labels(_kind)
RETAINED = Gauge("varco_audit_backlog", "Records of stream MAIL that are not erased yet")
RETENTION_STALLED = Gauge(
    "varco_audit_janitor_stalled", "1 while nothing is erased because a service does not say what it needs"
)

DEAD_LETTERS = Gauge("varco_audit_dead_letters", "Records that a service parked and that no operator has dealt with")
UNACCOUNTED = Gauge("varco_audit_unaccounted_recipients", "Recipients of accepted mails that no service accounts for")
IN_FLIGHT = Gauge("varco_audit_in_flight_recipients", "Recipients of accepted mails that are still to be delivered")

TREE = Gauge("varco_audit_tree_events", "Events in the Merkle tree")
HASHED = Counter("varco_audit_hashed_total", "Events that were hashed into the tree")
UNSIGNED = Gauge("varco_audit_unsigned_events", "Events that no checkpoint covers, without checkpoints themselves")
SIGNED = Gauge("varco_audit_checkpoint_events", "Events that the last checkpoint covers")
SIGNED_AT = Gauge("varco_audit_checkpoint_timestamp_seconds", "Time of the last checkpoint, in seconds since 1970")
CHECKPOINT_AGE = Gauge(
    "varco_audit_checkpoint_age_seconds", "Age of the last checkpoint; it grows while there is no traffic"
)
FAILURES = Counter("varco_audit_verification_failures_total", "Times that EVENTS was found altered")
BROKEN = Gauge("varco_audit_history_broken", "1 while EVENTS differs from what was signed, and nothing is signed")
