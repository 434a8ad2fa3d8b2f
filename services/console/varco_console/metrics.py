"""console's metrics."""

from prometheus_client import Counter, Gauge

SIGN_INS = Counter("varco_console_sign_ins", "Attempts to sign in, by outcome", ["outcome"])
SESSIONS = Gauge("varco_console_sessions", "Sessions that have not ended")
