"""What Prometheus reads of audit."""

from prometheus_client import Counter, Gauge

RECORDED = Counter("varco_audit_recorded_total", "Records of stream MAIL that were written down in EVENTS")
UNRECORDED = Gauge("varco_audit_unrecorded", "Records of stream MAIL that aren't in EVENTS yet")
RECORD_LAG = Gauge("varco_audit_record_lag_seconds", "Age of the newest record when it was written down")
