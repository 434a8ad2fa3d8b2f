"""What ingress counts. Labels are bound once: looking them up costs four times the increment."""

from prometheus_client import Counter, Gauge, Histogram

from varco_common.mail.replies import Reply

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

CONNECTIONS = Gauge("varco_ingress_connections", "Open connections.")
GRANTS = Gauge("varco_ingress_grants_remembered", "Logins and networks that are cached.")
_SESSIONS = Counter("varco_ingress_sessions_total", "Sessions begun, by listener.", ["listener"])
SESSIONS = {name: _SESSIONS.labels(name) for name in ("smtp", "submission", "smtps")}
REFUSED = Counter("varco_ingress_connections_refused_total", "Connections refused, by cause.", ["cause"])
LOGINS = Counter("varco_ingress_logins_total", "Logins, by outcome.", ["outcome"])
BYTES = Counter("varco_ingress_body_bytes_total", "Bytes of bodies received, in wire form.")
ANSWER_SECONDS = Histogram(
    "varco_ingress_data_answer_seconds", "From the end of the data to the answer.", buckets=_SECONDS
)
VOTE_SECONDS = Histogram("varco_ingress_vote_seconds", "From the ballot to the last vote.", buckets=_SECONDS)
_MAILS = Counter("varco_ingress_mails_total", "Mails answered, by reply.", ["reply"])
MAILS = {reply: _MAILS.labels(reply.value) for reply in Reply}
