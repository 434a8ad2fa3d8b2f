"""What Prometheus reads of audit."""

from prometheus_client import Counter, Gauge

from varco_common.base import subjects

RECORDED = Counter("varco_audit_recorded_total", "Records of stream MAIL that were written down in EVENTS")
UNRECORDED = Gauge("varco_audit_unrecorded", "Records of stream MAIL that aren't in EVENTS yet")
RECORD_LAG = Gauge("varco_audit_record_lag_seconds", "Age of the newest record when it was written down")
INDEXED = Counter("varco_audit_indexed_total", "Events that were indexed")
INDEX_PENDING = Gauge("varco_audit_index_lag_events", "Events that aren't indexed yet")
INDEX_LAG = Gauge("varco_audit_index_lag_seconds", "Age of the oldest event that isn't indexed yet")
ERASED = Counter("varco_audit_erased_total", "Records that were taken out of stream MAIL", ["kind"])
for _kind in subjects.KINDS:  # there from the start: a rate needs a first value
    ERASED.labels(_kind)
BACKLOG = Gauge("varco_audit_backlog", "Records of stream MAIL that aren't erased yet, as the janitor knows them")
JANITOR_STALLED = Gauge(
    "varco_audit_janitor_stalled", "1 while nothing is erased because somebody doesn't say what it needs"
)
DEAD_LETTERS = Gauge("varco_audit_dead_letters", "Records that a service parked and nobody has dealt with")
UNACCOUNTED = Gauge("varco_audit_unaccounted_recipients", "Recipients of accepted mails whom nobody can account for")
IN_FLIGHT = Gauge("varco_audit_in_flight_recipients", "Recipients whose mail is under way, beyond the time of grace")
